package io.torchferry.cache;

import io.torchferry.StateDict;
import java.lang.ref.Cleaner;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The right to use a state dict of a {@link CheckpointCache}, until it is closed: meanwhile the cache does not evict
 * it. When the file was replaced, leases that are open keep what they have.
 */
public final class CheckpointLease implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();

    private final Path path;
    private final StateDict stateDict;
    private final Cleaner.Cleanable end;

    /** Gives the entry back once: when the lease is closed, or found to be forgotten. */
    private record End(CacheEntry entry, AtomicBoolean done) implements Runnable {
        @Override
        public void run() {
            if (done.compareAndSet(false, true)) {
                entry.release();
            }
        }
    }

    CheckpointLease(CacheEntry entry, StateDict stateDict) {
        this.path = entry.key().path();
        this.stateDict = stateDict;
        this.end = CLEANER.register(this, new End(entry, new AtomicBoolean()));
    }

    /**
     * The state dict, an owner of its own; it is closed with this lease. What is made from it ({@code subset},
     * {@code to} and so on) belongs to whoever made it.
     */
    public StateDict stateDict() {
        return stateDict;
    }

    /** The file, as an absolute path. */
    public Path path() {
        return path;
    }

    /**
     * Ends the use. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of the state dict; it stays open then
     */
    @Override
    public void close() {
        stateDict.close();
        end.clean();
    }

    @Override
    public String toString() {
        return "CheckpointLease[" + path + "]";
    }
}
