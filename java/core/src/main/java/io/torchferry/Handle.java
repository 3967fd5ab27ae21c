package io.torchferry;

import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * The one holder of native pointers. A pointer never leaves it: work is handed to the pointer instead, and meanwhile
 * the native object cannot be freed, neither by {@link #close} nor by the garbage collector.
 *
 * <p>A count of running uses and a closed bit share one atomic number. Closing while a use runs is refused, using
 * after close too. When the holder becomes unreachable unclosed, a cleaner frees the native object and logs it as a
 * leak, with the stack of the opening when the system property {@code torchferry.leakTrace} is {@code true}.
 */
final class Handle {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final int CLOSED = -1;
    private static final AtomicLong OPEN = new AtomicLong();

    /** Work on a pointer. */
    @FunctionalInterface
    interface Use<R, E extends Exception> {
        R with(long pointer) throws E;
    }

    /** Work on a pointer that gives nothing. */
    @FunctionalInterface
    interface Run<E extends Exception> {
        void with(long pointer) throws E;
    }

    /** Work on several pointers. */
    @FunctionalInterface
    interface UseAll<R, E extends Exception> {
        R with(long[] pointers) throws E;
    }

    private final Resource resource;
    private final Cleaner.Cleanable cleanable;

    private Handle(Resource resource) {
        this.resource = resource;
        this.cleanable = CLEANER.register(this, resource);
    }

    /**
     * Holds a native object that its user closes.
     *
     * @param name what it is, for messages
     * @param free gives the native object back; must refer to nothing that refers to the holder
     */
    static Handle owning(String name, long pointer, LongConsumer free) {
        boolean trace = Boolean.getBoolean("torchferry.leakTrace");
        OPEN.incrementAndGet();
        return new Handle(new Resource(name, pointer, free, true, trace ? new Throwable("opened here") : null));
    }

    /** How many native objects users have not closed. */
    static long open() {
        return OPEN.get();
    }

    /** Holds a native object that the garbage collector may free without that being a leak. */
    static Handle collected(String name, long pointer, LongConsumer free) {
        return new Handle(new Resource(name, pointer, free, false, null));
    }

    /**
     * Does work on the pointer, which stays valid meanwhile.
     *
     * @throws IllegalStateException after close
     */
    <R, E extends Exception> R use(Use<R, E> work) throws E {
        resource.enter();
        try {
            return work.with(resource.pointer);
        } finally {
            resource.leave();
            // Without this the holder may be collected, and the object freed, once `resource` was loaded.
            Reference.reachabilityFence(this);
        }
    }

    /** Like {@link #use}. */
    <E extends Exception> void run(Run<E> work) throws E {
        use(pointer -> {
            work.with(pointer);
            return null;
        });
    }

    /** Like {@link #use}, on the pointers of several handles; the same one may be among them more than once. */
    static <R, E extends Exception> R useAll(Handle[] handles, UseAll<R, E> work) throws E {
        long[] pointers = new long[handles.length];
        int entered = 0;
        try {
            for (; entered < handles.length; entered++) {
                handles[entered].resource.enter();
                pointers[entered] = handles[entered].resource.pointer;
            }
            return work.with(pointers);
        } finally {
            while (entered > 0) {
                handles[--entered].resource.leave();
            }
            Reference.reachabilityFence(handles);
        }
    }

    /** @throws IllegalStateException after close */
    void requireOpen() {
        if (resource.state.get() == CLOSED) {
            throw resource.closed();
        }
    }

    /**
     * Frees the native object; does nothing the second time.
     *
     * @throws IllegalStateException while a use runs, on any thread
     */
    void close() {
        if (resource.close()) {
            cleanable.clean();
        }
    }

    /** What the cleaner needs: everything of a handle but the handle. */
    private static final class Resource implements Runnable {
        private final String name;
        private final long pointer;
        private final LongConsumer free;
        private final boolean closedByUser;
        private final Throwable opened;
        private final long since = System.nanoTime();
        private final AtomicInteger state = new AtomicInteger();

        Resource(String name, long pointer, LongConsumer free, boolean closedByUser, Throwable opened) {
            this.name = name;
            this.pointer = pointer;
            this.free = free;
            this.closedByUser = closedByUser;
            this.opened = opened;
        }

        void enter() {
            int uses = state.get();
            while (uses != CLOSED) {
                if (state.compareAndSet(uses, uses + 1)) {
                    return;
                }
                uses = state.get();
            }
            throw closed();
        }

        void leave() {
            state.decrementAndGet();
        }

        boolean close() {
            while (!state.compareAndSet(0, CLOSED)) {
                int uses = state.get();
                if (uses == CLOSED) {
                    return false;
                }
                if (uses > 0) {
                    throw new IllegalStateException(name + " is in use by a running call; close it after that ends");
                }
            }
            return true;
        }

        IllegalStateException closed() {
            return new IllegalStateException(name + " is closed");
        }

        /** Runs once: from {@link Handle#close}, or from the cleaner's thread when that was forgotten. */
        @Override
        public void run() {
            boolean forgotten = state.getAndSet(CLOSED) != CLOSED;
            free.accept(pointer);
            if (!closedByUser) {
                return;
            }
            OPEN.decrementAndGet();
            if (!forgotten) {
                Flight.closed(name, System.nanoTime() - since);
            } else {
                Flight.leaked(name, System.nanoTime() - since, opened);
                System.getLogger("io.torchferry").log(System.Logger.Level.WARNING,
                        name + " was never closed; its native memory was freed by the garbage collector"
                                + (opened == null ? " (-Dtorchferry.leakTrace=true tells where it was opened)" : ""),
                        opened);
            }
        }
    }
}
