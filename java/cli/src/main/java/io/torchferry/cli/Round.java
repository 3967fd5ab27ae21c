package io.torchferry.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Measures contenders on one file in rounds: each round gives every contender its turn, in another order each time, so
 * that whatever else the machine does hits all alike. A turn is one load, or a small block of loads where one is so
 * short that a single interruption would drown it.
 */
final class Round {
    private static final long WARM_UP_NANOS = 1_000_000_000L;
    private static final int MOST_WARM_UPS = 2_000;
    private static final long TURN_NANOS = 20_000_000L;
    private static final int LONGEST_BLOCK = 20;

    /**
     * What was measured of one contender.
     *
     * @param contender who
     * @param samples durations; empty when it was skipped
     * @param skipped why it was left out, or null
     */
    record Result(Contender contender, Samples samples, String skipped) {}

    private final Path file;
    private final List<Result> results = new ArrayList<>();
    private final List<Integer> blocks = new ArrayList<>();

    private Round(Path file) {
        this.file = file;
    }

    /**
     * Measures.
     *
     * @param progress told the number of each finished round, 0 after the warm-up
     * @return in the order of {@code contenders}; one that fails is a result with the reason
     */
    static List<Result> measure(Path file, List<Contender> contenders, int rounds, IntConsumer progress) {
        Round round = new Round(file);
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
        return round.results;
    }

    /** Loads until the code is compiled and the file cached: the first runs of a JVM are not its speed. */
    private void warmUp(Contender contender) {
        Samples warm = new Samples();
        String skipped = null;
        try {
            do {
                warm.add(contender.timed().load(file, 1));
            } while (warm.total() < WARM_UP_NANOS && warm.size() < MOST_WARM_UPS);
        } catch (Exception | LinkageError | OutOfMemoryError e) {
            skipped = reason(e);
        }
        results.add(new Result(contender, new Samples(), skipped));
        blocks.add(skipped != null ? 0
                : (int) Math.max(1, Math.min(LONGEST_BLOCK, TURN_NANOS / Math.max(1, warm.median()))));
    }

    private void turn(int index) {
        Result result = results.get(index);
        if (result.skipped == null) {
            try {
                result.samples.add(result.contender.timed().load(file, blocks.get(index)));
            } catch (Exception | LinkageError | OutOfMemoryError e) {
                results.set(index, new Result(result.contender, new Samples(), reason(e)));
            }
        }
    }

    private static String reason(Throwable problem) {
        return Failures.oneLine(problem.getMessage() == null ? problem.toString() : problem.getMessage());
    }
}
