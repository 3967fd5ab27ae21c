package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A program that opens files, loads those that can be loaded, and prints by how many KiB the process grew at most
 * meanwhile, and how many files it went through. A line of the list is a path; "index " before it: only open the file.
 */
final class HostileMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");
    private static final String INDEX_ONLY = "index ";
    /** KiB by which the process may grow, its 64 MiB of Java heap included. */
    private static final long BOUND = 100 << 10;

    private HostileMemory() {
    }

    /** Runs this program on all bad files with a small Java heap and checks that it stays within {@link #BOUND}. */
    static void check(InteropCases cases) throws Exception {
        Path list = Files.createTempFile("torchferry-hostile-", ".txt");
        Files.write(list, cases.bad().stream().map(
                bad -> (bad.indexOnly() ? INDEX_ONLY : "") + bad.file()).toList());
        Fixtures.Outcome outcome = Fixtures.fork(HostileMemory.class,
                List.of("-Xmx64m", "-Dtorchferry.native.dir=" + System.getProperty("torchferry.native.dir"),
                        "-Dtorchferry.libtorch=" + Fixtures.libtorch()),
                Fixtures.file("golden_zip.pt").toString(), list.toString());
        Files.delete(list);
        assertEquals(0, outcome.status(), outcome.output());
        Matcher said = Pattern.compile("grew (\\d+) files (\\d+)").matcher(outcome.output());
        assertTrue(said.find(), outcome.output());
        assertEquals(cases.bad().size(), Integer.parseInt(said.group(2)));
        assertTrue(Long.parseLong(said.group(1)) <= BOUND, outcome.output());
    }

    /** @param arguments a sound checkpoint, and the list */
    public static void main(String[] arguments) throws IOException {
        LoadOptions options = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false);
        BadFileCheck.load(Path.of(arguments[0]), options);
        System.gc();
        Files.writeString(CLEAR, "5");  // the peak starts at what is resident now
        long before = kibibytes("VmHWM:");
        int files = 0;
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            try {
                if (line.startsWith(INDEX_ONLY)) {
                    Checkpoint.open(Path.of(line.substring(INDEX_ONLY.length()))).close();
                } else {
                    BadFileCheck.load(Path.of(line), options);
                }
            } catch (CheckpointException | java.io.UncheckedIOException refused) {
                // which refusals are right is not the question here
            }
            files++;
        }
        System.out.println("grew " + (kibibytes("VmHWM:") - before) + " files " + files);
    }

    private static long kibibytes(String field) throws IOException {
        List<String> lines = Files.readAllLines(STATUS);
        String found = lines.stream().filter(line -> line.startsWith(field)).findFirst().orElseThrow();
        return Long.parseLong(found.replaceAll("[^0-9]", ""));
    }
}
