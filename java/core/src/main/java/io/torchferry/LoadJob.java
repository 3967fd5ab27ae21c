package io.torchferry;

import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeoutException;

/**
 * One load on its way through a {@link CheckpointLoader}. It is in one place at a time: in the threads' queue, on a
 * thread, or among those who wait for bytes, where it holds no thread and no file. Whoever takes it out of a place
 * moves it on or ends it, so it ends exactly once.
 */
final class LoadJob implements Runnable, Comparable<LoadJob>, DeviceBudget.Waiter {
    private final CheckpointLoader loader;
    private final long number;
    private final LoadFuture future;
    private final LoadRequest request;
    private volatile Future<?> deadline;
    private volatile boolean settled;

    // Of the thread that has the job; handed on through the queues' locks.
    private Reservation reservation;
    private long since = System.nanoTime();
    private long queuedNanos;
    private long budgetNanos;
    private long loadNanos;

    LoadJob(CheckpointLoader loader, long number, LoadFuture future) {
        this.loader = loader;
        this.number = number;
        this.future = future;
        this.request = future.request();
    }

    LoadFuture future() {
        return future;
    }

    /** The timer to stop when the job ends. */
    void deadline(Future<?> timer) {
        deadline = timer;
        if (future.isDone()) {
            timer.cancel(false);
        }
    }

    @Override
    public long number() {
        return number;
    }

    /** Older ones first, also those that waited for bytes meanwhile. */
    @Override
    public int compareTo(LoadJob other) {
        return Long.compare(number, other.number);
    }

    @Override
    public void run() {
        queuedNanos += lap();
        loader.running(1);
        boolean waits = false;
        StateDict dict = null;
        try {
            // Cancelled while it was queued: nothing is opened.
            if (!future.isDone()) {
                dict = load();
                waits = dict == null;
            }
        } catch (Throwable e) {
            loadNanos += lap();
            settled = true;
            future.completeExceptionally(e);
        }
        loader.running(-1);
        if (dict != null) {
            loadNanos += lap();
            handOver(dict);
        }
        if (!waits) {
            end();
        }
    }

    /** Null when the job went to those who wait for bytes; it must not be touched any more then. */
    private StateDict load() throws IOException {
        LoadOptions options = request.options();
        try (Checkpoint checkpoint = Checkpoint.open(request.path(), options.openOptions())) {
            stopIfCancelled();
            Placement placement = Placement.of(checkpoint, options.progress(future.progress()), request.place());
            Map<Device, Long> needed = LoadBytes.of(checkpoint, placement, request, loader.countsMapped());
            if (!reserve(needed)) {
                return null;
            }
            future.reserved(needed);
            stopIfCancelled();
            return checkpoint.load(placement);
        }
    }

    private void stopIfCancelled() {
        if (future.isDone() || future.progress().isCancelled()) {
            throw new CancellationException("the load of " + request.path() + " was cancelled");
        }
    }

    private boolean reserve(Map<Device, Long> needed) {
        DeviceBudget budget = loader.budget();
        if (reservation != null) {
            if (reservation.covers(needed)) {
                reservation.shrinkTo(needed);
                return true;
            }
            // The file is a larger one now than when the wait began.
            giveBack();
        }
        budget.requirePossible(needed, request.path().toString());
        reservation = budget.tryTake(needed, this);
        if (reservation != null) {
            return true;
        }
        if (!loader.waitsForBudget()) {
            loader.relieve(budget.missing(needed));
            reservation = budget.tryTake(needed, this);
            if (reservation == null) {
                throw budget.refusal(needed, request.path().toString());
            }
            return true;
        }
        return takeOrWait(budget, needed);
    }

    private boolean takeOrWait(DeviceBudget budget, Map<Device, Long> needed) {
        loadNanos += lap();
        Reservation taken = budget.takeOrWait(needed, this);
        if (taken != null) {
            reservation = taken;
            return true;
        }
        loader.relieve(budget.shortage());
        // Who cancelled it before it waited did not find it there.
        if (future.isDone() && budget.withdraw(this)) {
            throw new CancellationException();
        }
        return false;
    }

    @Override
    public void granted(Reservation bytes) {
        budgetNanos += lap();
        reservation = bytes;
        loader.execute(this);
    }

    /** From here on the bytes are the dict's, whoever closes it. */
    private void handOver(StateDict dict) {
        Reservation bytes = reservation;
        dict.index().reserved(bytes);
        reservation = null;
        if (request.options().cast().isPresent()) {
            bytes.shrinkTo(dict.bytesByDevice());
            future.reserved(bytes.bytes());
        }
        settled = true;
        if (!future.complete(dict)) {
            dict.close();
        }
    }

    /** The future was completed. Unless the load did that itself, it stops; one that waits ends here. */
    void stop() {
        if (settled) {
            return;
        }
        future.progress().cancel();
        if (loader.dequeue(this) || loader.budget().withdraw(this)) {
            end();
        }
    }

    private void giveBack() {
        if (reservation != null) {
            reservation.leave();
            reservation = null;
        }
    }

    /** Ends a job that was not let into the queue. */
    void reject(RejectedExecutionException full) {
        settled = true;
        future.completeExceptionally(full);
        end();
    }

    private void end() {
        giveBack();
        Future<?> timer = deadline;
        if (timer != null) {
            timer.cancel(false);
        }
        loader.ended(this, outcome());
        future.end();
        loader.left();
    }

    private LoadOutcome outcome() {
        Throwable failure = failure();
        LoadOutcome.Result result = LoadOutcome.Result.FAILED;
        if (failure == null) {
            result = LoadOutcome.Result.LOADED;
        } else if (failure instanceof CancellationException) {
            result = LoadOutcome.Result.CANCELLED;
        } else if (failure instanceof TimeoutException) {
            result = LoadOutcome.Result.TIMED_OUT;
        } else if (failure instanceof RejectedExecutionException) {
            result = LoadOutcome.Result.REJECTED;
        }
        return new LoadOutcome(request, result, Optional.ofNullable(failure), future.reservedBytes(), queuedNanos,
                budgetNanos, loadNanos);
    }

    private Throwable failure() {
        return future.handle((dict, failure) -> failure).join();
    }

    private long lap() {
        long now = System.nanoTime();
        long passed = now - since;
        since = now;
        return passed;
    }
}
