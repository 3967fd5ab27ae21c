package io.torchferry.cli;

import org.HdrHistogram.Histogram;

/** Durations of one contender in nanoseconds, to three digits. */
final class Samples {
    private static final int DIGITS = 3;

    private final Histogram histogram = new Histogram(DIGITS);
    private long total;

    void add(long... durations) {
        for (long nanos : durations) {
            histogram.recordValue(Math.max(0, nanos));
            total += nanos;
        }
    }

    int size() {
        return Math.toIntExact(histogram.getTotalCount());
    }

    long total() {
        return total;
    }

    long median() {
        return percentile(50);
    }

    /** The duration that {@code percent} of the samples do not exceed. 0 is the fastest, 100 the slowest. */
    long percentile(double percent) {
        if (size() == 0) {
            throw new IllegalStateException("no samples");
        }
        return percent == 0 ? histogram.getMinValue() : histogram.getValueAtPercentile(percent);
    }
}
