package io.torchferry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A load whose tensors can be used one by one as their bytes arrive, about in the order of the file: work starts on the
 * first while the last are still on their way. {@link Checkpoint#startLoad} begins one; PyTorch has no counterpart.
 *
 * <pre>{@code
 * try (StreamingLoad load = Checkpoint.startLoad(path, LoadOptions.defaults().mapLocation(Device.cuda(0)))) {
 *     for (String layer : layers) {
 *         use(load.await(layer));
 *     }
 * }
 * }</pre>
 *
 * <p>A tensor is ready when its storage is: mapped at once; read when its last byte has been read; on a device when the
 * last copy of its bytes has been done. Ready at the end of the load only: with {@link LoadOptions#cast} all tensors;
 * always those made of others (quantized by channel, sparse, nested), saved on the meta device, or moved away from
 * their storage's saved location.
 *
 * <p><b>Lifetime.</b> Tensors handed out belong to the load and are valid until {@link #close}, which also stops what
 * has not ended. The dict that {@link #await()} gives is its caller's, shares the tensors, and outlives the load.
 *
 * <p><b>Failure.</b> When the load fails or is cancelled, everyone who waits gets its exception, and so does whoever
 * asks later for what had not arrived. What it took is given back at once, but for tensors that had arrived: they stay
 * valid until {@link #close} (with {@link DeviceMemory#SLAB} one of them keeps the whole allocation).
 *
 * <p><b>Threads.</b> Safe from any thread. The load runs on threads of its own. Waiting only parks, so that virtual
 * threads are not pinned by it; {@link #awaitInStream} is the exception.
 */
public final class StreamingLoad implements AutoCloseable {
    /** A tensor and its name, as they arrived; without a tensor: there are no more. */
    private record Arrival(String key, Tensor tensor) {
    }

    private static final Arrival NO_MORE = new Arrival(null, null);

    private final Handle handle;
    private final Progress progress;
    private final Thread thread = new Thread(this::follow, "torchferry-streaming-load");
    private final ProgressListener listener;
    private final Object event;
    private final String name;
    private final String place;
    /** Held for reading by calls into the native load, which closing waits for. */
    private final ReadWriteLock calls = new ReentrantReadWriteLock();
    private final Map<String, CompletableFuture<Tensor>> ready = new ConcurrentHashMap<>();
    private final BlockingQueue<Arrival> arrivals = new LinkedBlockingQueue<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final List<StateDict> batches = new ArrayList<>();

    private StreamingLoad(Handle handle, Progress progress, Placement placement, Object event, String name) {
        this.handle = handle;
        this.progress = progress;
        this.listener = placement.options().progressListener().orElse(null);
        this.event = event;
        this.name = name;
        this.place = placement.place();
        thread.setDaemon(true);
    }

    /** Begins the load that a placement of an open checkpoint stands for. */
    static StreamingLoad start(long checkpoint, Placement placement, String name) throws IOException {
        Object event = Flight.loading();
        Progress progress = placement.options().progress().orElseGet(Progress::new);
        long followed = progress.begin();
        try {
            long pointer = placement.start(checkpoint, followed);
            Handle handle = Handle.owning("StreamingLoad", pointer, TorchNative::streamDestroy);
            StreamingLoad load = new StreamingLoad(handle, progress, placement, event, name);
            load.thread.start();
            return load;
        } catch (IOException | RuntimeException | Error e) {
            progress.end();
            Flight.loaded(event, name, placement.place(), null, e);
            throw e;
        }
    }

    /**
     * Waits until a tensor can be used.
     *
     * @throws IllegalArgumentException when the load was not asked for a tensor of this name
     * @throws UnsupportedCheckpointException when it cannot be represented, so that the load leaves it out
     * @throws IOException what the load failed with, as {@link Checkpoint#stateDict(LoadOptions, String...)} throws it;
     *     the unchecked exceptions listed there, too
     * @throws java.util.concurrent.CancellationException when the load was cancelled
     * @throws InterruptedException when this thread was interrupted; the load goes on
     * @throws IllegalStateException after close
     */
    public Tensor await(String key) throws IOException, InterruptedException {
        return get(future(key));
    }

    /**
     * The future of one tensor, for composing. Completing or cancelling it does nothing to the load. Stages without
     * {@code Async} in their names run on the thread that follows the load, and hold up what arrives after: keep them
     * short, and never close the load there.
     *
     * @return completed with the tensor, or with a {@code CompletionException} around what {@link #await(String)}
     *     throws
     * @throws IllegalArgumentException when the load was not asked for a tensor of this name
     * @throws IllegalStateException after close
     */
    public CompletableFuture<Tensor> ready(String key) {
        return future(key).copy();
    }

    /**
     * Waits until the copies of a tensor's bytes have been asked for, and has this thread's current stream of its
     * device wait for them: work that is queued there from now on, a module's {@code forward} for example, sees the
     * bytes, and this thread goes on meanwhile. Should such a copy fail, that work sees other bytes, and
     * {@link #await()} throws. On the CPU the same as {@link #await(String)}. Holds the carrier of a virtual thread, and is not interrupted.
     *
     * @return a tensor of its own, valid as long as it is reachable and not closed
     * @throws IllegalArgumentException when the load was not asked for a tensor of this name
     * @throws IOException see {@link #await(String)}
     * @throws IllegalStateException after close
     */
    public Tensor awaitInStream(String key) throws IOException {
        byte[] packed = Utf8.encode(key);
        return Tensors.alone(call(pointer -> TorchNative.streamAwait(pointer, packed, true)));
    }

    /**
     * Waits for a tensor that no call of this has given yet, in the order in which they arrive; empty when all have
     * been given. Each goes to one caller.
     *
     * @throws IOException what the load failed with, when no tensor that arrived before is left; see
     *     {@link #await(String)}
     * @throws InterruptedException when this thread was interrupted; the load goes on
     * @throws IllegalStateException after close
     */
    public Optional<Map.Entry<String, Tensor>> next() throws IOException, InterruptedException {
        handle.requireOpen();
        Arrival next = arrivals.take();
        if (next != NO_MORE) {
            return Optional.of(Map.entry(next.key, next.tensor));
        }
        arrivals.add(NO_MORE);
        get(ended);
        handle.requireOpen();
        return Optional.empty();
    }

    /**
     * Waits for the end of the load.
     *
     * @return all tensors, in the order of the checkpoint; the caller closes it
     * @throws IOException what the load failed with; see {@link #await(String)}
     * @throws java.util.concurrent.CancellationException when the load was cancelled
     * @throws InterruptedException when this thread was interrupted; the load goes on
     * @throws IllegalStateException after close
     */
    public StateDict await() throws IOException, InterruptedException {
        handle.requireOpen();
        get(ended);
        return new StateDict(call(TorchNative::streamFinish));
    }

    /** How far the load has come, in bytes; that of {@link LoadOptions#progress(Progress)} when there is one. */
    public Progress progress() {
        return progress;
    }

    /** Whether the load has ended, well or not. */
    public boolean isDone() {
        return ended.isDone();
    }

    /** Asks the load to stop, which it does within a chunk; nothing when it has ended. */
    public void cancel() {
        Lock call = calls.readLock();
        call.lock();
        try {
            if (!ended.isDone()) {
                handle.run(TorchNative::streamCancel);
            }
        } finally {
            call.unlock();
        }
    }

    /**
     * Cancels what has not ended, waits for that, and gives back what was handed out. Whoever waits gets a
     * {@link java.util.concurrent.CancellationException}. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of one of its tensors; that one stays open
     *     until this is called again. And on the thread that follows the load
     */
    @Override
    public void close() {
        if (Thread.currentThread() == thread) {
            throw new IllegalStateException("a stage of a tensor's future cannot close the load; use an Async one");
        }
        cancel();
        joinThread();
        Lock alone = calls.writeLock();
        alone.lock();
        try {
            handle.close();
            for (Iterator<StateDict> batch = batches.iterator(); batch.hasNext(); batch.remove()) {
                batch.next().close();
            }
        } finally {
            alone.unlock();
        }
    }

    private void joinThread() {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** What the thread does: hands out what arrives until there is no more. */
    private void follow() {
        Throwable failure = null;
        try (ProgressPoll poll = ProgressPoll.start(progress, listener)) {
            for (long batch = next(handle); batch != 0; batch = next(handle)) {
                handOut(new StateDict(batch));
            }
            poll.finished();
        } catch (IOException | RuntimeException | Error e) {
            failure = e;
        }
        try {
            progress.end();
            tellFlight(failure);
        } finally {
            end(failure);
        }
    }

    private void end(Throwable failure) {
        if (failure == null) {
            ended.complete(null);
        } else {
            ended.completeExceptionally(failure);
        }
        arrivals.add(NO_MORE);
        ready.forEach(this::settle);
    }

    private static long next(Handle handle) throws IOException {
        return handle.use(TorchNative::streamNext);
    }

    private void handOut(StateDict batch) {
        batches.add(batch);
        batch.forEach((key, tensor) -> {
            ready.computeIfAbsent(key, k -> new CompletableFuture<>()).complete(tensor);
            arrivals.add(new Arrival(key, tensor));
        });
    }

    private void tellFlight(Throwable failure) {
        if (event == null || failure != null) {
            Flight.loaded(event, name, place, null, failure);
            return;
        }
        try (StateDict all = new StateDict(handle.use(TorchNative::streamFinish))) {
            Flight.loaded(event, name, place, all, null);
        } catch (IOException e) {
            throw new IllegalStateException("a load that had ended well has failed", e);
        }
    }

    /** Completes the future of a tensor that has not arrived before the end. */
    private void settle(String key, CompletableFuture<Tensor> future) {
        if (future.isDone()) {
            return;
        }
        ended.whenComplete((nothing, failure) -> {
            if (failure != null) {
                future.completeExceptionally(failure);
                return;
            }
            try {
                byte[] packed = Utf8.encode(key);
                future.complete(Tensors.alone(call(pointer -> TorchNative.streamAwait(pointer, packed, false))));
            } catch (IOException | RuntimeException e) {
                future.completeExceptionally(e);
            }
        });
    }

    private CompletableFuture<Tensor> future(String key) {
        handle.requireOpen();
        CompletableFuture<Tensor> known = ready.get(key);
        if (known != null) {
            return known;
        }
        byte[] packed = Utf8.encode(key);
        if (!handle.use(pointer -> TorchNative.streamContains(pointer, packed))) {
            throw new IllegalArgumentException("the load has no tensor named " + PythonText.quote(key));
        }
        CompletableFuture<Tensor> future = ready.computeIfAbsent(key, k -> new CompletableFuture<>());
        // At the end the thread settles those that it finds; this one may have come after it looked.
        if (ended.isDone()) {
            settle(key, future);
        }
        return future;
    }

    private <R> R call(Handle.Use<R, IOException> work) throws IOException {
        Lock call = calls.readLock();
        call.lock();
        try {
            return handle.use(work);
        } finally {
            call.unlock();
        }
    }

    private static <T> T get(CompletableFuture<T> future) throws IOException, InterruptedException {
        try {
            return future.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException cause) {
                throw cause;
            }
            if (e.getCause() instanceof Error cause) {
                throw cause;
            }
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
    }

    /** For example {@code StreamingLoad[model.pth, 4096 of 8192 bytes]}. */
    @Override
    public String toString() {
        String state = !isDone() ? progress.done() + " of " + progress.total() + " bytes"
                : ended.isCompletedExceptionally() ? "failed" : "loaded";
        return "StreamingLoad[" + name + ", " + state + "]";
    }
}
