import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.NativeModule;
import io.torchferry.StateDict;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * How fast ResNet-50's weights get from a file into a module on the CPU, and how fast this machine copies memory at all,
 * taken in turns in one run. Ends with status 1 when the way from the file takes longer than copying as many bytes at 80% of
 * the machine's bandwidth.
 *
 * <pre>java -Dtorchferry.libtorch=… -cp java/core/target/classes tests/bench/ModuleLoad.java [ROUNDS]</pre>
 */
public class ModuleLoad {
    private static final String COPY = "1 memory to memory";
    private static final String LOAD = "3 file to module";
    private static final double WANTED = 0.8;

    /** Something that is timed. */
    private interface Work {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 15;
        Path file = Files.createTempFile("resnet50-", ".pth");
        try (NativeModule drawn = NativeModule.create("resnet50"); StateDict weights = drawn.stateDict();
                NativeModule module = NativeModule.create("resnet50", Map.of("init", false), Device.cpu())) {
            weights.save(file);
            long bytes = weights.bytesByDevice().get(Device.cpu());
            ByteBuffer from = ByteBuffer.allocateDirect((int) bytes);
            ByteBuffer to = ByteBuffer.allocateDirect((int) bytes);
            Map<String, Work> works = Map.of(
                    COPY, () -> to.clear().put(from.clear()),
                    "2 state dict in memory to module", () -> module.loadStateDict(weights),
                    LOAD, () -> {
                        try (Checkpoint checkpoint = Checkpoint.open(file)) {
                            module.loadStateDict(checkpoint);
                        }
                    },
                    "4 file to module, assign", () -> {
                        try (StateDict mapped = Checkpoint.load(file)) {
                            module.loadStateDict(mapped, true, true);
                        }
                    });
            report(works, bytes, rounds);
        } finally {
            Files.delete(file);
        }
    }

    private static void report(Map<String, Work> works, long bytes, int rounds) throws Exception {
        Map<String, long[]> nanos = new java.util.TreeMap<>();
        works.keySet().forEach(name -> nanos.put(name, new long[rounds]));
        // assign leaves the module on the mapped file, so it has a turn of its own at the end.
        for (String last : new String[] {"4 file to module, assign", null}) {
            for (int round = -2; round < rounds; round++) {
                for (String name : nanos.keySet()) {
                    if (name.startsWith("4") == (last == null)) {
                        long start = System.nanoTime();
                        works.get(name).run();
                        if (round >= 0) {
                            nanos.get(name)[round] = System.nanoTime() - start;
                        }
                    }
                }
            }
        }
        System.out.printf("%d bytes, %d rounds%n", bytes, rounds);
        nanos.forEach((name, all) -> {
            Arrays.sort(all);
            System.out.printf("%-34s best %8.2f ms %6.2f GB/s   median %8.2f ms %6.2f GB/s%n", name, all[0] / 1e6,
                    (double) bytes / all[0], all[rounds / 2] / 1e6, (double) bytes / all[rounds / 2]);
        });
        double reached = (double) nanos.get(COPY)[rounds / 2] / nanos.get(LOAD)[rounds / 2];
        System.out.printf("file to module at %.0f%% of the bandwidth of a copy (medians); wanted: %.0f%%%n", 100 * reached,
                100 * WANTED);
        if (reached < WANTED) {
            System.exit(1);
        }
    }
}
