package io.torchferry.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a load takes of the machine besides time, as Linux counts it; -1 where it does not tell.
 *
 * @param peakMemory bytes of resident memory at the worst moment, above what there was before
 * @param bytesRead bytes that came from the disk
 */
record Usage(long peakMemory, long bytesRead) {
    static final Usage UNKNOWN = new Usage(-1, -1);

    /** Work to be watched. */
    interface Work {
        void run() throws Exception;
    }

    /** Does the work once and watches the process. */
    static Usage of(long process, Work work) throws Exception {
        Path proc = Path.of("/proc", String.valueOf(process));
        boolean reset = resetPeak(proc);
        long before = status(proc, "VmRSS:");
        long readBefore = number(proc.resolve("io"), "read_bytes:", 1);
        work.run();
        long peak = status(proc, "VmHWM:");
        long read = number(proc.resolve("io"), "read_bytes:", 1);
        return new Usage(reset && before >= 0 && peak >= 0 ? Math.max(0, peak - before) : -1,
                read >= 0 && readBefore >= 0 ? read - readBefore : -1);
    }

    private static boolean resetPeak(Path proc) {
        try {
            Files.writeString(proc.resolve("clear_refs"), "5");
            return true;
        } catch (IOException notAllowed) {
            return false;
        }
    }

    private static long status(Path proc, String field) {
        return number(proc.resolve("status"), field, 1024);
    }

    private static long number(Path file, String field, long unit) {
        try {
            for (String line : Files.readAllLines(file, StandardCharsets.ISO_8859_1)) {
                if (line.startsWith(field)) {
                    return Long.parseLong(line.substring(field.length()).strip().split(" ")[0]) * unit;
                }
            }
        } catch (IOException | NumberFormatException notThisSystem) {
            return -1;
        }
        return -1;
    }
}
