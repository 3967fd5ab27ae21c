package io.torchferry.cli;

import java.io.PrintWriter;

/**
 * One line on a terminal's standard error that shows how far a long job is. It appears only when the job has taken
 * longer than half a second, is redrawn at most ten times a second, and is wiped when closed, so nothing of it is left.
 * Off a terminal it does nothing. May be told of progress by any thread.
 */
final class ProgressBar implements AutoCloseable {
    private static final long APPEARS_AFTER = 500_000_000L;
    private static final long REDRAWN_EVERY = 100_000_000L;
    private static final int CELLS = 30;

    private final PrintWriter err;
    private final String label;
    private final boolean visible;
    private final long started = System.nanoTime();
    private long drawn;
    private int longest;

    /** @param label what is being done: "loading model.pth" */
    ProgressBar(PrintWriter err, String label, boolean visible) {
        this.err = err;
        this.label = Table.shortened(Terminal.printable(label), 40);
        this.visible = visible;
    }

    /** Bytes done and bytes in all (0: not known). */
    synchronized void update(long done, long total) {
        long now = System.nanoTime();
        if (!visible || now - started < APPEARS_AFTER || now - drawn < REDRAWN_EVERY) {
            return;
        }
        drawn = now;
        draw(line(label, done, total, now - started));
    }

    static String line(String label, long done, long total, long nanos) {
        double share = total > 0 ? Math.min(1, (double) done / total) : 0;
        int full = (int) (share * CELLS);
        String rate = Units.bytes((long) (done / (nanos / 1e9))) + "/s";
        String left = share > 0.01 && share < 1
                ? ", " + Units.nanos((long) (nanos / share * (1 - share))) + " left" : "";
        return label + " [" + "#".repeat(full) + "-".repeat(CELLS - full) + "] " + (int) (share * 100) + "% "
                + Units.bytes(done) + " of " + Units.bytes(total) + ", " + rate + left;
    }

    private void draw(String line) {
        err.print("\r" + line + " ".repeat(Math.max(0, longest - line.length())));
        err.flush();
        longest = Math.max(longest, line.length());
    }

    @Override
    public synchronized void close() {
        if (longest > 0) {
            err.print("\r" + " ".repeat(longest) + "\r");
            err.flush();
            longest = 0;
        }
    }
}
