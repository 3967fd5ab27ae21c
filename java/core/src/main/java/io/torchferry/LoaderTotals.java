package io.torchferry;

/** The sums in a loader's statistics. Safe from any thread. */
final class LoaderTotals {
    private final long[] results = new long[LoadOutcome.Result.values().length];
    private long queuedNanos;
    private long budgetNanos;
    private long loadNanos;
    private long bytesLoaded;

    synchronized void add(LoadOutcome outcome) {
        results[outcome.result().ordinal()]++;
        queuedNanos += outcome.queuedNanos();
        budgetNanos += outcome.budgetNanos();
        loadNanos += outcome.loadNanos();
        if (outcome.result() == LoadOutcome.Result.LOADED) {
            bytesLoaded += outcome.bytesByDevice().values().stream().mapToLong(Long::longValue).sum();
        }
    }

    synchronized LoaderStats with(int threads, int queued, int waiting, int running, DeviceBudget budget) {
        return new LoaderStats(threads, queued, waiting, running, count(LoadOutcome.Result.LOADED),
                count(LoadOutcome.Result.FAILED), count(LoadOutcome.Result.CANCELLED),
                count(LoadOutcome.Result.TIMED_OUT), count(LoadOutcome.Result.REJECTED), queuedNanos, budgetNanos,
                loadNanos, bytesLoaded, budget.used(), budget.peaks(), budget.limits());
    }

    private long count(LoadOutcome.Result result) {
        return results[result.ordinal()];
    }
}
