package io.torchferry.cache;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import com.github.benmanes.caffeine.cache.Scheduler;
import com.github.benmanes.caffeine.cache.Ticker;
import io.torchferry.CheckpointLoader;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.LoadRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Predicate;

/**
 * Loads a checkpoint once, however many ask for it at the same time, and keeps it for those who come later, while there
 * is room.
 *
 * <pre>{@code
 * CheckpointCache cache = CheckpointCache.builder()
 *         .loading(CheckpointLoader.builder().budget(Device.cuda(0), 20L << 30))
 *         .expireAfterIdle(Duration.ofMinutes(10)).build();
 *
 * try (CheckpointLease lease = cache.lease(path, LoadOptions.defaults().mapLocation(Device.cuda(0)), "model")) {
 *     model.loadStateDict(lease.stateDict());
 * }
 * }</pre>
 *
 * <p><b>What is one.</b> Requests for the same path, place and options share a state dict; different places or options
 * of one file are different ones. A filter or a function as map location is the same only when it is the same object.
 * {@link LoadOptions#progress} and {@link LoadOptions#threads} are those of the request that began the load.
 *
 * <p><b>Room.</b> The loader's budgets are the bounds, on each device: nothing is loaded before there is room for it.
 * When there is not enough, state dicts that nobody leases are closed, the least recently used ones first, and only
 * those that have bytes where they lack. What is leased is never evicted; a load that finds everything leased waits or
 * fails, as the loader was told.
 *
 * <p><b>Changed files.</b> Each lease looks at the file's identity, time and size. When they have changed, the file is
 * loaded anew, and leases that are open keep the old state dict until they are closed. Files must be replaced (renamed
 * over), not written in place: tensors may be views of a mapping.
 *
 * <p>Safe from any thread, and from virtual threads.
 */
public final class CheckpointCache implements AutoCloseable {
    private final CheckpointLoader loader;
    private final Duration recheck;
    private final Cache<CacheKey, CacheEntry> entries;
    private final Ticker ticker;
    private final LongAdder hits = new LongAdder();
    private final LongAdder misses = new LongAdder();
    private final LongAdder failures = new LongAdder();
    private final LongAdder evictedForBytes = new LongAdder();
    private final LongAdder evictedIdle = new LongAdder();
    private final LongAdder replaced = new LongAdder();
    private volatile boolean closed;

    private CheckpointCache(Builder builder) {
        recheck = builder.recheck;
        ticker = builder.ticker;
        loader = builder.loading.countMapped(true).onShortage(this::makeRoom).build();
        entries = Caffeine.newBuilder()
                // Never reached: the budgets are the bound. It has Caffeine keep the order of use.
                .maximumSize(Integer.MAX_VALUE)
                .expireAfter(new IdleExpiry(builder.idle))
                .evictionListener((CacheKey key, CacheEntry entry, RemovalCause cause) -> expired(entry))
                .removalListener((CacheKey key, CacheEntry entry, RemovalCause cause) -> entry.retire())
                .scheduler(Scheduler.systemScheduler())
                .executor(Runnable::run)
                .ticker(builder.ticker)
                .build();
    }

    /** Says how a cache shall be. */
    public static Builder builder() {
        return new Builder();
    }

    /** How a cache shall be; not for several threads at once. */
    public static final class Builder {
        private CheckpointLoader.Builder loading = CheckpointLoader.builder();
        private Duration idle;
        private Duration recheck = Duration.ZERO;
        private Ticker ticker = Ticker.systemTicker();

        private Builder() {
        }

        /**
         * Threads, budgets and deadline of the loads. The cache has the budgets count mapped bytes, and handles
         * shortages itself.
         */
        public Builder loading(CheckpointLoader.Builder loader) {
            loading = Objects.requireNonNull(loader, "loader");
            return this;
        }

        /** How long what nobody leases is kept; without limit at first. */
        public Builder expireAfterIdle(Duration time) {
            idle = Objects.requireNonNull(time, "time");
            return this;
        }

        /** For how long a file is believed to be unchanged after a look at it; not at all at first. */
        public Builder recheckAfter(Duration time) {
            recheck = Objects.requireNonNull(time, "time");
            return this;
        }

        /** The clock of idle time and rechecks. */
        Builder ticker(Ticker clock) {
            ticker = clock;
            return this;
        }

        /** The cache. */
        public CheckpointCache build() {
            return new CheckpointCache(this);
        }
    }

    /** {@link #lease(Path, LoadOptions, String...)} with {@link LoadOptions#defaults()}. */
    public CheckpointLease lease(Path path, String... keys) throws IOException, TimeoutException, InterruptedException {
        return lease(LoadRequest.of(path).withKeys(keys));
    }

    /**
     * {@link #lease(LoadRequest)}.
     *
     * @param keys dict keys and list indices that lead to the place; none for the whole content
     */
    public CheckpointLease lease(Path path, LoadOptions options, String... keys)
            throws IOException, TimeoutException, InterruptedException {
        return lease(LoadRequest.of(path).withOptions(options).withKeys(keys));
    }

    /**
     * Waits for a lease. The exceptions are those of {@link io.torchferry.LoadFuture#await}; nobody's failed load is
     * kept, so the next one who asks tries again.
     *
     * @throws IOException when the file could not be read; the subclasses tell why
     * @throws TimeoutException when a deadline has passed
     * @throws InterruptedException when this thread was interrupted; a load for which nobody else waits is cancelled
     * @throws IllegalStateException after close
     */
    public CheckpointLease lease(LoadRequest request) throws IOException, TimeoutException, InterruptedException {
        CompletableFuture<CheckpointLease> lease = leaseAsync(request);
        try {
            return lease.get();
        } catch (ExecutionException e) {
            throw unwrapped(e.getCause(), request);
        } catch (InterruptedException e) {
            if (lease.cancel(true) || lease.isCompletedExceptionally()) {
                throw e;
            }
            Thread.currentThread().interrupt();
            return lease.join();
        }
    }

    private static RuntimeException unwrapped(Throwable cause, LoadRequest request)
            throws IOException, TimeoutException {
        if (cause instanceof IOException e) {
            throw e;
        }
        if (cause instanceof TimeoutException e) {
            throw e.getMessage() != null ? e : new TimeoutException("there was no lease on " + request.path()
                    + " within " + request.deadline().map(Duration::toMillis).orElse(0L) + " ms");
        }
        if (cause instanceof Error e) {
            throw e;
        }
        return cause instanceof RuntimeException e ? e : new IllegalStateException(cause);
    }

    /**
     * A lease, at once or when the load that it needs is done. Whoever takes it closes it. Cancelling the future gives
     * the lease up; a load for which nobody else waits is cancelled then. A deadline of the request is one for this
     * lease alone. Stages without {@code Async} in their names may run on a thread of the loader: keep them short, and
     * never wait there for another load.
     *
     * @throws IllegalStateException after close
     */
    public CompletableFuture<CheckpointLease> leaseAsync(LoadRequest request) {
        Object event = CacheFlight.leasing();
        CacheKey key = CacheKey.of(request);
        FileStamp stamp = stamp(key);
        Entering entering = new Entering(stamp);
        if (closed) {
            throw new IllegalStateException("the CheckpointCache is closed");
        }
        CacheEntry entry = entries.asMap().compute(key, entering::into);
        if (entering.old != null && !entering.old.stamp().equals(stamp)) {
            replaced.increment();
            CacheFlight.evicted(entering.old, "replaced");
        }
        if (entering.created) {
            misses.increment();
            start(entry, request);
        } else {
            hits.increment();
        }
        CompletableFuture<CheckpointLease> lease = entry.lease();
        CacheFlight.leased(event, key.path(), !entering.created, lease);
        if (closed) {
            clear();
        }
        return request.deadline().isEmpty() ? lease
                : lease.orTimeout(request.deadline().get().toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Finds or makes the entry of a key, and counts its new user. */
    private final class Entering {
        private final FileStamp stamp;
        private boolean created;
        private CacheEntry old;

        Entering(FileStamp stamp) {
            this.stamp = stamp;
        }

        CacheEntry into(CacheKey key, CacheEntry present) {
            if (present != null && present.stamp().equals(stamp) && present.enter()) {
                return present;
            }
            old = present;
            created = true;
            CacheEntry fresh = new CacheEntry(CheckpointCache.this, key, stamp, ticker.read());
            fresh.enter();
            return fresh;
        }
    }

    private FileStamp stamp(CacheKey key) {
        CacheEntry present = recheck.isZero() ? null : entries.asMap().get(key);
        long now = ticker.read();
        if (present != null && present.wasLookedAt(now, recheck.toNanos())) {
            return present.stamp();
        }
        return FileStamp.of(key.path());
    }

    private void start(CacheEntry entry, LoadRequest request) {
        LoadRequest shared = new LoadRequest(request.path(), request.options(), request.keys(), Optional.empty());
        try {
            entry.follow(loader.load(shared));
        } catch (RuntimeException e) {
            entry.fail(e);
        }
    }

    void failed(CacheEntry entry) {
        failures.increment();
        entries.asMap().remove(entry.key(), entry);
    }

    /** A lease on the entry has ended. */
    void release(CacheEntry entry) {
        AtomicBoolean present = new AtomicBoolean();
        entries.asMap().computeIfPresent(entry.key(), (key, current) -> {
            if (current == entry) {
                entry.leave();
                present.set(true);
            }
            return current;
        });
        if (!present.get()) {
            entry.leave();
            entry.retire();
            return;
        }
        makeRoom(loader.shortage());
    }

    /** Closes idle state dicts, the least recently used ones first, until bytes that lack are there. */
    private void makeRoom(Map<Device, Long> missing) {
        if (missing.isEmpty()) {
            return;
        }
        Map<Device, Long> left = new HashMap<>(missing);
        for (CacheEntry entry : entries.policy().eviction().orElseThrow().coldest(Integer.MAX_VALUE).values()) {
            Map<Device, Long> bytes = entry.bytes();
            if (Collections.disjoint(bytes.keySet(), left.keySet()) || !removeIdle(entry)) {
                continue;
            }
            bytes.forEach((device, given) -> left.computeIfPresent(device, (d, n) -> n > given ? n - given : null));
            if (left.isEmpty()) {
                return;
            }
        }
    }

    private boolean removeIdle(CacheEntry entry) {
        AtomicBoolean removed = new AtomicBoolean();
        entries.asMap().computeIfPresent(entry.key(), (key, current) -> {
            if (current != entry || !entry.isIdle()) {
                return current;
            }
            removed.set(true);
            // Before it is closed, so that whoever gets its room finds it counted.
            evictedForBytes.increment();
            return null;
        });
        if (removed.get()) {
            CacheFlight.evicted(entry, "bytes");
        }
        return removed.get();
    }

    private void expired(CacheEntry entry) {
        evictedIdle.increment();
        CacheFlight.evicted(entry, "idle");
    }

    /** Forgets what was loaded from a file; leases that are open stay valid. */
    public void invalidate(Path path) {
        Path normal = CacheKey.normal(path);
        forget(key -> key.path().equals(normal));
    }

    /** Forgets everything; leases that are open stay valid. */
    public void clear() {
        forget(key -> true);
        // Also those whose idle time is over, which are not listed any more.
        entries.invalidateAll();
    }

    private void forget(Predicate<CacheKey> which) {
        entries.asMap().forEach((key, entry) -> {
            if (which.test(key) && entries.asMap().remove(key, entry)) {
                CacheFlight.evicted(entry, "forgotten");
            }
        });
    }

    /** Has idle state dicts whose time is over closed now, instead of a moment later. */
    public void cleanUp() {
        entries.cleanUp();
    }

    /** The loader that the cache uses, for its figures and listeners. */
    public CheckpointLoader loader() {
        return loader;
    }

    /** Figures at this moment. */
    public CacheStats stats() {
        Map<Device, Long> bytes = new HashMap<>();
        int count = 0;
        int leases = 0;
        for (CacheEntry entry : entries.asMap().values()) {
            count++;
            leases += entry.users();
            entry.bytes().forEach((device, held) -> bytes.merge(device, held, Long::sum));
        }
        return new CacheStats(hits.sum(), misses.sum(), failures.sum(), evictedForBytes.sum(), evictedIdle.sum(),
                replaced.sum(), count, leases, Collections.unmodifiableMap(bytes), loader.stats());
    }

    /**
     * Cancels loads under way, and closes what nobody leases; the rest is closed with its leases. Closing twice is
     * allowed.
     */
    @Override
    public void close() {
        closed = true;
        loader.close();
        clear();
    }
}
