package io.torchferry.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Measures contenders on the same files in rounds: each round gives every contender its turn, in another order each
 * time, so that whatever else the machine does hits all alike. A turn is one load, or a small block of loads where one
 * is so short that a single interruption would drown it.
 */
final class Round {
    private static final long LONGEST_WARM_UP_NANOS = 1_000_000_000L;
    private static final long WARM_UP_NANOS_FOR_EACH_ROUND = 100_000_000L;
    private static final int MOST_WARM_UPS = 2_000;
    private static final long TURN_NANOS = 20_000_000L;
    private static final int LONGEST_BLOCK = 20;

    /**
     * What was measured of one contender.
     *
     * @param contender who
     * @param samples durations; empty when it was skipped
     * @param usage of one load
     * @param skipped why it was left out, or null
     */
    record Result(Contender contender, Samples samples, Usage usage, String skipped) {
        static Result skipped(Contender contender, String reason) {
            return new Result(contender, new Samples(), Usage.UNKNOWN, reason);
        }
    }

    private final BenchFiles files;
    private final boolean cold;
    private final long warmUpNanos;
    private final List<Result> results = new ArrayList<>();
    private final List<Integer> blocks = new ArrayList<>();

    private Round(BenchFiles files, boolean cold, int rounds) {
        this.files = files;
        this.cold = cold;
        this.warmUpNanos = Math.min(LONGEST_WARM_UP_NANOS, rounds * WARM_UP_NANOS_FOR_EACH_ROUND);
    }

    /**
     * Measures.
     *
     * @param cold whether the files are taken out of memory before each load
     * @param progress told the number of each finished round, 0 after the warm-up
     * @return in the order of {@code contenders}; one that fails is a result with the reason
     */
    static List<Result> measure(BenchFiles files, List<Contender> contenders, boolean cold, int rounds,
            IntConsumer progress) {
        Round round = new Round(files, cold, rounds);
        contenders.forEach(round::warmUp);
        progress.accept(0);
        List<Integer> turns = new ArrayList<>();
        for (int i = 0; i < contenders.size(); i++) {
            turns.add(i);
        }
        for (int i = 1; i <= rounds; i++) {
            Collections.rotate(turns, 1);
            turns.forEach(round::turn);
            progress.accept(i);
        }
        for (int i = 0; i < contenders.size(); i++) {
            round.watch(i);
        }
        return round.results;
    }

    /** Loads until the code is compiled and the file cached: the first runs of a JVM are not its speed. */
    private void warmUp(Contender contender) {
        Samples warm = new Samples();
        try {
            do {
                warm.add(contender.timed().load(files, 1));
            } while (warm.total() < warmUpNanos && warm.size() < MOST_WARM_UPS);
            results.add(new Result(contender, new Samples(), Usage.UNKNOWN, null));
            blocks.add(cold ? 1
                    : (int) Math.max(1, Math.min(LONGEST_BLOCK, TURN_NANOS / Math.max(1, warm.median()))));
        } catch (Exception | LinkageError | OutOfMemoryError e) {
            results.add(Result.skipped(contender, reason(e)));
            blocks.add(0);
        }
    }

    private void turn(int index) {
        Result result = results.get(index);
        if (result.skipped == null) {
            try {
                evict();
                result.samples.add(result.contender.timed().load(files, blocks.get(index)));
            } catch (Exception | LinkageError | OutOfMemoryError e) {
                results.set(index, Result.skipped(result.contender, reason(e)));
            }
        }
    }

    private void watch(int index) {
        Result result = results.get(index);
        if (result.skipped == null) {
            Contender contender = result.contender;
            try {
                evict();
                Usage usage = Usage.of(contender.process().pid(), () -> contender.timed().load(files, 1));
                results.set(index, new Result(contender, result.samples, usage, null));
            } catch (Exception | LinkageError | OutOfMemoryError e) {
                results.set(index, Result.skipped(contender, reason(e)));
            }
        }
    }

    private void evict() throws IOException {
        if (cold) {
            files.evict();
        }
    }

    private static String reason(Throwable problem) {
        return Failures.oneLine(problem.getMessage() == null ? problem.toString() : problem.getMessage());
    }
}
