package io.torchferry;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * Loads many checkpoints for a service: so many at once and no more, so many bytes on each device and no more, with
 * futures, deadlines and cancellation.
 *
 * <pre>{@code
 * try (CheckpointLoader loader = CheckpointLoader.builder().threads(4).budget(Device.cuda(0), 8L << 30).build()) {
 *     LoadFuture load = loader.load(Path.of("model.pth"), LoadOptions.defaults().mapLocation(Device.cuda(0)), "model");
 *     try (StateDict weights = load.await()) { ... }
 * }
 * }</pre>
 *
 * <p><b>Threads.</b> Loads run on the loader's own daemon threads, so a virtual thread that waits for one is never
 * pinned by native code. They are served in the order in which they were asked for. Safe from any thread.
 *
 * <p><b>Budgets.</b> What a load will take on each device is known from its plan before a byte is spent, and taken from
 * the budget at once, for all its devices or none. It comes back when the state dict is closed, together with
 * those made from it that may keep its storages alive ({@link StateDict#share}, {@link StateDict#subset} and so on),
 * and when a load fails in whatever way. What does not fit waits, in order for each device, or fails, as the loader
 * was told; while it waits it holds no thread and no open file. The budget counts the bytes of storages, not what an
 * allocator adds: leave it room.
 */
public final class CheckpointLoader implements AutoCloseable {
    private final int threads;
    private final int queueLimit;
    private final boolean waits;
    private final boolean countsMapped;
    private final Duration deadline;
    private final Consumer<Map<Device, Long>> shortageHandler;
    private final DeviceBudget budget;
    private final LoaderThreads pool;
    private final LoaderTotals totals = new LoaderTotals();
    private final AtomicLong numbers = new AtomicLong();
    private final AtomicInteger running = new AtomicInteger();
    private final Set<LoadJob> jobs = ConcurrentHashMap.newKeySet();
    private final List<LoadListener> listeners = new CopyOnWriteArrayList<>();
    private volatile boolean closing;

    private CheckpointLoader(Builder builder) {
        threads = builder.threads;
        queueLimit = builder.queueLimit;
        waits = builder.waits;
        countsMapped = builder.countsMapped;
        deadline = builder.deadline;
        shortageHandler = builder.shortageHandler;
        budget = new DeviceBudget(builder.budgets);
        pool = new LoaderThreads(threads);
    }

    /** A loader with as many threads as there are processors, at most 4, and no budget. */
    public static CheckpointLoader create() {
        return builder().build();
    }

    /** Says how a loader shall be. */
    public static Builder builder() {
        return new Builder();
    }

    /** How a loader shall be; not for several threads at once. */
    public static final class Builder {
        private int threads = Math.min(4, Runtime.getRuntime().availableProcessors());
        private int queueLimit = Integer.MAX_VALUE;
        private boolean waits = true;
        private boolean countsMapped;
        private Duration deadline;
        private Consumer<Map<Device, Long>> shortageHandler = missing -> { };
        private final Map<Device, Long> budgets = new LinkedHashMap<>();

        private Builder() {
        }

        /**
         * How many loads run at once; at first the number of processors, at most 4. A load may use several threads of
         * its own for reading: {@link LoadOptions#threads}.
         *
         * @throws IllegalArgumentException unless positive
         */
        public Builder threads(int count) {
            if (count < 1) {
                throw new IllegalArgumentException("threads must be positive: " + count);
            }
            threads = count;
            return this;
        }

        /**
         * The most bytes that loads may take on a device; devices without one have no limit. A device without index
         * means the first of its type.
         *
         * @throws IllegalArgumentException when negative, or for the meta device, where nothing takes bytes
         */
        public Builder budget(Device device, long bytes) {
            if (bytes < 0 || device.isMeta()) {
                throw new IllegalArgumentException("no budget: " + bytes + " bytes on " + device);
            }
            budgets.put(DeviceBudget.normal(device), bytes);
            return this;
        }

        /** A load for which the budget has not enough now waits; so it is at first. */
        public Builder waitForBudget() {
            waits = true;
            return this;
        }

        /** A load for which the budget has not enough now fails with {@link BudgetExceededException}. */
        public Builder failOnBudget() {
            waits = false;
            return this;
        }

        /**
         * Whether the CPU's budget counts storages that are views of the mapped file, too. It does not at first: they
         * are page cache, which the operating system takes back when it needs to.
         */
        public Builder countMapped(boolean on) {
            countsMapped = on;
            return this;
        }

        /**
         * How many loads may wait for a thread or for bytes; one more ends with {@link RejectedExecutionException}. No
         * limit at first.
         *
         * @throws IllegalArgumentException when negative
         */
        public Builder queueLimit(int count) {
            if (count < 0) {
                throw new IllegalArgumentException("queueLimit must not be negative: " + count);
            }
            queueLimit = count;
            return this;
        }

        /**
         * How long a load may take that has no deadline of its own; no limit at first.
         *
         * @throws IllegalArgumentException when negative
         */
        public Builder deadline(Duration most) {
            deadline = LoadRequest.of(Path.of("")).withDeadline(most).deadline().get();
            return this;
        }

        /**
         * Called on a loader's thread when bytes lack, with how many on which devices, before the load waits or fails:
         * the place to close state dicts that can be spared. What it throws is logged.
         */
        public Builder onShortage(Consumer<Map<Device, Long>> handler) {
            shortageHandler = Objects.requireNonNull(handler, "handler");
            return this;
        }

        /** The loader. Its threads start when they are needed. */
        public CheckpointLoader build() {
            return new CheckpointLoader(this);
        }
    }

    /** {@link #load(Path, LoadOptions, String...)} with {@link LoadOptions#defaults()}. */
    public LoadFuture load(Path path, String... keys) {
        return load(LoadRequest.of(path).withKeys(keys));
    }

    /** {@link Checkpoint#load(Path, LoadOptions, String...)} on a loader's thread. */
    public LoadFuture load(Path path, LoadOptions options, String... keys) {
        return load(LoadRequest.of(path).withOptions(options).withKeys(keys));
    }

    /**
     * Loads a checkpoint. Never blocks; what goes wrong later is in the future.
     *
     * @throws IllegalStateException after close
     */
    public LoadFuture load(LoadRequest request) {
        LoadFuture future = new LoadFuture(request);
        LoadJob job = new LoadJob(this, numbers.getAndIncrement(), future);
        pool.enter();
        jobs.add(job);
        if (jobs.size() - threads > queueLimit) {
            job.reject(new RejectedExecutionException("the loader's queue is full: " + queueLimit + " wait already"));
            return future;
        }
        future.whenComplete((dict, failure) -> {
            if (failure != null) {
                job.stop();
            }
        });
        startTimer(job);
        pool.execute(job);
        if (closing) {
            future.cancel(false);
        }
        return future;
    }

    private void startTimer(LoadJob job) {
        Duration most = job.future().request().deadline().orElse(deadline);
        if (most != null && !job.future().isDone()) {
            job.deadline(pool.after(most, () -> job.future().completeExceptionally(new TimeoutException(
                    job.future().request().path() + " was not loaded within " + most.toMillis() + " ms: "
                            + job.future().progress().done() + " of " + job.future().progress().total()
                            + " bytes were"))));
        }
    }

    /** Figures at this moment. */
    public LoaderStats stats() {
        int now = running.get();
        int waiting = budget.waiters();
        return totals.with(threads, Math.max(0, jobs.size() - now - waiting), waiting, now, budget);
    }

    /**
     * Bytes that would have to come back on each device for the first loads that wait to go on; empty when none waits.
     */
    public Map<Device, Long> shortage() {
        return Collections.unmodifiableMap(budget.shortage());
    }

    /** Has a listener told of every load that ends. */
    public void addListener(LoadListener listener) {
        listeners.add(Objects.requireNonNull(listener, "listener"));
    }

    /** Ends that. */
    public void removeListener(LoadListener listener) {
        listeners.remove(listener);
    }

    /**
     * Refuses new loads, cancels those that have not ended, and waits until they have. State dicts that were handed out
     * stay valid. Closing twice is allowed.
     */
    @Override
    public void close() {
        close(Duration.ZERO);
    }

    /**
     * Like {@link #close()}, but lets loads end by themselves for some time first. Called from a stage that runs on
     * this loader's thread, it does not wait.
     */
    public void close(Duration patience) {
        pool.refuse();
        pool.awaitIdle(patience);
        // A load that is let in right now, and not yet among the jobs, sees this and cancels itself.
        closing = true;
        jobs.forEach(job -> job.future().cancel(false));
        pool.awaitIdle(null);
        pool.shutdown();
    }

    DeviceBudget budget() {
        return budget;
    }

    boolean waitsForBudget() {
        return waits;
    }

    boolean countsMapped() {
        return countsMapped;
    }

    void execute(LoadJob job) {
        pool.execute(job);
    }

    boolean dequeue(LoadJob job) {
        return pool.remove(job);
    }

    void running(int more) {
        running.addAndGet(more);
    }

    void relieve(Map<Device, Long> missing) {
        try {
            if (!missing.isEmpty()) {
                shortageHandler.accept(Collections.unmodifiableMap(missing));
            }
        } catch (RuntimeException e) {
            log("a handler of shortages failed", e);
        }
    }

    void ended(LoadJob job, LoadOutcome outcome) {
        totals.add(outcome);
        Flight.ended(outcome);
        jobs.remove(job);
        for (LoadListener listener : listeners) {
            try {
                listener.ended(outcome);
            } catch (RuntimeException e) {
                log("a LoadListener failed", e);
            }
        }
    }

    void left() {
        pool.leave();
    }

    private static void log(String what, RuntimeException e) {
        System.getLogger("io.torchferry").log(System.Logger.Level.WARNING, what, e);
    }
}
