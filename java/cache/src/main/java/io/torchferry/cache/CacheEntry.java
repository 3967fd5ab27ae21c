package io.torchferry.cache;

import io.torchferry.Device;
import io.torchferry.LoadFuture;
import io.torchferry.StateDict;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;

/**
 * One load and what became of it, with the count of those who use it or wait for it. Who is counted is changed inside
 * the cache's atomic operations on the key only, as long as the entry is in the cache, so it is never evicted while
 * somebody is counted. Safe from any thread; completes no future while it is locked.
 */
final class CacheEntry {
    private final CheckpointCache cache;
    private final CacheKey key;
    private final FileStamp stamp;
    private volatile long lookedAt;
    private final Set<CompletableFuture<CheckpointLease>> waiting = new LinkedHashSet<>();
    private int users;
    /** Out of the cache: what it holds is closed with the last user. */
    private boolean gone;
    /** Nobody waits for the load any more, so it was cancelled. */
    private boolean unwanted;
    private Throwable failure;
    private StateDict dict;
    private Map<Device, Long> bytes = Map.of();
    private LoadFuture load;

    CacheEntry(CheckpointCache cache, CacheKey key, FileStamp stamp, long now) {
        this.cache = cache;
        this.key = key;
        this.stamp = stamp;
        this.lookedAt = now;
    }

    /** Whether the file was looked at so short a time ago; if not, it is going to be now. */
    boolean wasLookedAt(long now, long nanos) {
        if (now - lookedAt < nanos) {
            return true;
        }
        lookedAt = now;
        return false;
    }

    CacheKey key() {
        return key;
    }

    FileStamp stamp() {
        return stamp;
    }

    synchronized Map<Device, Long> bytes() {
        return bytes;
    }

    synchronized boolean isIdle() {
        return users == 0 && dict != null;
    }

    synchronized int users() {
        return users;
    }

    /** Counts one user; false when there is nothing to use any more. */
    synchronized boolean enter() {
        if (failure != null || unwanted || gone) {
            return false;
        }
        users++;
        return true;
    }

    /** Follows the load; its end may come at once. */
    void follow(LoadFuture future) {
        synchronized (this) {
            load = future;
        }
        future.whenComplete((loaded, problem) -> {
            if (problem == null) {
                succeed(loaded, future.reservedBytes());
            } else {
                fail(problem);
            }
        });
    }

    private void succeed(StateDict loaded, Map<Device, Long> taken) {
        List<CompletableFuture<CheckpointLease>> served = List.of();
        boolean kept;
        synchronized (this) {
            kept = !unwanted;
            if (kept) {
                dict = loaded;
                bytes = taken;
                served = List.copyOf(waiting);
                waiting.clear();
            }
        }
        if (kept) {
            served.forEach(this::serve);
        } else {
            loaded.close();
            fail(new CancellationException("nobody waited for " + key.path() + " any more"));
        }
    }

    /** Nothing can be used: whoever waits is told, and the next one who asks loads anew. */
    void fail(Throwable problem) {
        List<CompletableFuture<CheckpointLease>> told;
        synchronized (this) {
            failure = problem;
            told = List.copyOf(waiting);
            waiting.clear();
        }
        cache.failed(this);
        told.forEach(one -> one.completeExceptionally(problem));
    }

    /** The lease of a user who was counted: now, or when it is loaded. */
    CompletableFuture<CheckpointLease> lease() {
        CompletableFuture<CheckpointLease> lease = new CompletableFuture<>();
        boolean loaded;
        synchronized (this) {
            if (failure != null) {
                return CompletableFuture.failedFuture(failure);
            }
            loaded = dict != null;
            if (!loaded) {
                waiting.add(lease);
            }
        }
        lease.whenComplete((given, problem) -> {
            if (problem != null) {
                abandon(lease);
            }
        });
        if (loaded) {
            serve(lease);
        }
        return lease;
    }

    private void serve(CompletableFuture<CheckpointLease> lease) {
        StateDict owned;
        synchronized (this) {
            owned = dict.share();
        }
        CheckpointLease given = new CheckpointLease(this, owned);
        if (!lease.complete(given)) {
            given.close();
        }
    }

    /** Somebody does not wait any more; the last one who goes cancels the load. */
    private void abandon(CompletableFuture<CheckpointLease> lease) {
        LoadFuture cancelled = null;
        synchronized (this) {
            if (waiting.remove(lease)) {
                users--;
                unwanted = users == 0;
                cancelled = unwanted ? load : null;
            }
        }
        if (cancelled != null) {
            cancelled.cancel(true);
        }
    }

    /** A lease was closed. */
    void release() {
        cache.release(this);
    }

    /** Counts one user less; inside the cache's operation on the key, while the entry is there. */
    synchronized void leave() {
        users--;
    }

    /** The entry is not in the cache any more: what it holds is closed with the last user. */
    void retire() {
        StateDict unused = null;
        synchronized (this) {
            gone = true;
            if (users == 0) {
                unused = dict;
                dict = null;
            }
        }
        if (unused != null) {
            unused.close();
        }
    }
}
