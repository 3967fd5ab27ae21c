package io.torchferry;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;

/**
 * A load that a {@link CheckpointLoader} works on. Whoever takes the {@link StateDict} closes it.
 *
 * <p>However it is completed before the load has ended (by {@link #cancel}, {@link #orTimeout}, a deadline, or
 * {@link #completeExceptionally}), the load stops within one chunk and frees everything that it took; {@link #ended}
 * tells when that is done. Cancelling a stage that was made from this one does not reach it, as with every
 * {@code CompletableFuture}.
 *
 * <p>Stages without {@code Async} in their names run on a thread of the loader: keep them short, and never wait there
 * for another load.
 */
public final class LoadFuture extends CompletableFuture<StateDict> {
    private final LoadRequest request;
    private final Progress progress;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private volatile Map<Device, Long> reserved = Map.of();

    LoadFuture(LoadRequest request) {
        this.request = request;
        this.progress = request.options().progress().orElseGet(Progress::new);
    }

    /** What was asked for. */
    public LoadRequest request() {
        return request;
    }

    /** How far it has come, in bytes; that of {@link LoadOptions#progress(Progress)} when the request has one. */
    public Progress progress() {
        return progress;
    }

    /** Bytes taken from the loader's budget on each device; empty before they are taken. */
    public Map<Device, Long> reservedBytes() {
        return reserved;
    }

    void reserved(Map<Device, Long> bytes) {
        reserved = bytes;
    }

    /**
     * Completed, never exceptionally, when the loader has done its last work for this load: statistics count it, its
     * thread is free, and where no state dict was handed out everything that was taken is given back.
     */
    public CompletionStage<Void> ended() {
        return ended.minimalCompletionStage();
    }

    void end() {
        ended.complete(null);
    }

    /**
     * Waits for the state dict; fit for virtual threads, which are not pinned by it. The exceptions are those of
     * {@link Checkpoint#load(java.nio.file.Path, LoadOptions, String...)}, as they were thrown on the loading thread.
     *
     * @throws IOException when the file could not be read; the subclasses tell why
     * @throws TimeoutException when a deadline has passed
     * @throws BudgetExceededException see there
     * @throws java.util.concurrent.CancellationException when it was cancelled
     * @throws InterruptedException when this thread was interrupted; the load is cancelled then
     */
    public StateDict await() throws IOException, TimeoutException, InterruptedException {
        try {
            return get();
        } catch (ExecutionException e) {
            throw unwrapped(e.getCause());
        } catch (InterruptedException e) {
            if (cancel(true) || isCompletedExceptionally()) {
                throw e;
            }
            // It ended in that moment: the dict is the caller's, who hears of the interruption later.
            Thread.currentThread().interrupt();
            return join();
        }
    }

    private static RuntimeException unwrapped(Throwable cause) throws IOException, TimeoutException {
        if (cause instanceof IOException e) {
            throw e;
        }
        if (cause instanceof TimeoutException e) {
            throw e;
        }
        if (cause instanceof Error e) {
            throw e;
        }
        return cause instanceof RuntimeException e ? e : new IllegalStateException(cause);
    }

    /** For example {@code LoadFuture[model.pth, 4096 of 8192 bytes]}. */
    @Override
    public String toString() {
        String state = isDone() ? isCompletedExceptionally() ? "failed" : "loaded"
                : progress.done() + " of " + progress.total() + " bytes";
        return "LoadFuture[" + request.path() + ", " + state + "]";
    }
}
