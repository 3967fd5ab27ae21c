package io.torchferry;

import java.util.Map;

/**
 * Figures of a {@link CheckpointLoader} at one moment. Counts and times are sums since it was made; times are
 * wall-clock nanoseconds, summed over loads that run at the same time.
 *
 * @param threads the most loads that run at once
 * @param queued loads that wait for a thread now
 * @param waitingForBudget loads that wait for bytes now
 * @param running loads that a thread works on now
 * @param loaded loads that gave a state dict
 * @param failed loads that failed
 * @param cancelled loads that were cancelled
 * @param timedOut loads whose deadline passed
 * @param rejected loads that found the queue full
 * @param queuedNanos time spent waiting for threads
 * @param budgetNanos time spent waiting for bytes
 * @param loadNanos time spent opening, planning and loading
 * @param bytesLoaded bytes taken from budgets by loads that gave a state dict
 * @param bytesHeld bytes taken now on each device: by running loads, and by state dicts that are not closed
 * @param peakBytes the most that was ever taken on each device
 * @param budgets the limits that were set
 */
public record LoaderStats(
        int threads,
        int queued,
        int waitingForBudget,
        int running,
        long loaded,
        long failed,
        long cancelled,
        long timedOut,
        long rejected,
        long queuedNanos,
        long budgetNanos,
        long loadNanos,
        long bytesLoaded,
        Map<Device, Long> bytesHeld,
        Map<Device, Long> peakBytes,
        Map<Device, Long> budgets) {
}
