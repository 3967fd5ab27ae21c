package io.torchferry.cli;

import java.util.Arrays;

/** Durations of one contender in nanoseconds, in the order they were taken. */
final class Samples {
    private long[] nanos = new long[64];
    private int size;

    void add(long... durations) {
        if (size + durations.length > nanos.length) {
            nanos = Arrays.copyOf(nanos, Math.max(2 * nanos.length, size + durations.length));
        }
        System.arraycopy(durations, 0, nanos, size, durations.length);
        size += durations.length;
    }

    int size() {
        return size;
    }

    long total() {
        return Arrays.stream(nanos, 0, size).sum();
    }

    long median() {
        return percentile(50);
    }

    /**
     * The duration below which {@code percent} of the samples lie, between neighbours by straight line (numpy's and
     * R's default). 0 is the fastest, 100 the slowest.
     */
    long percentile(double percent) {
        if (size == 0) {
            throw new IllegalStateException("no samples");
        }
        long[] sorted = Arrays.copyOf(nanos, size);
        Arrays.sort(sorted);
        double position = percent / 100 * (size - 1);
        int below = (int) position;
        int above = Math.min(below + 1, size - 1);
        return Math.round(sorted[below] + (position - below) * (sorted[above] - sorted[below]));
    }
}
