package io.torchferry;

import java.util.Map;
import java.util.Optional;

/**
 * How a load of a {@link CheckpointLoader} ended. Times are wall-clock nanoseconds.
 *
 * @param request what was asked for
 * @param result how it ended
 * @param failure why there is no state dict
 * @param bytesByDevice bytes taken from the budget; empty when it did not come so far
 * @param queuedNanos waiting for a thread of the loader
 * @param budgetNanos waiting for bytes of the budget
 * @param loadNanos opening, planning and loading
 */
public record LoadOutcome(
        LoadRequest request,
        Result result,
        Optional<Throwable> failure,
        Map<Device, Long> bytesByDevice,
        long queuedNanos,
        long budgetNanos,
        long loadNanos) {

    /** The ways to end. */
    public enum Result {
        /** There is a state dict. */
        LOADED,
        /** The file was refused, a device is not there, memory or budget did not suffice. */
        FAILED,
        /** Somebody cancelled it, or the loader was closed. */
        CANCELLED,
        /** Its deadline has passed. */
        TIMED_OUT,
        /** The loader's queue was full. */
        REJECTED
    }
}
