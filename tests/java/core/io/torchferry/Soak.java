package io.torchferry;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

/**
 * Loads files of all formats over and over on several threads, cancelled at random, late, damaged, and onto a device
 * whose memory runs out; then asserts that nothing has grown: memory, descriptors, threads, native objects, bytes on
 * devices. {@code tests/soak/run} starts it.
 */
final class Soak {
    private static final Device ZERO = LoaderFiles.ZERO;
    private static final Device ONE = LoaderFiles.ONE;
    /** What memory may differ by: arenas of malloc and the JVM's own, after warming up. */
    private static final long SLACK = 24L << 20;
    private static final int WARM_UP = 2000;
    private static final int STEPS = 9;
    /** Bytes for the loader on each device: one of the large files with a cast, so that loads wait for each other. */
    private static final long ROOM = 1500 << 10;

    private final int loads;
    private final int threads;
    private final long seed;
    private final Path folder;
    private final List<Path> good = new ArrayList<>();
    private final List<Path> bad = new ArrayList<>();
    private final CheckpointLoader loader;
    private final AtomicInteger started = new AtomicInteger();
    private final Map<String, Integer> outcomes = new TreeMap<>();
    private final AtomicReference<Throwable> wrong = new AtomicReference<>();

    private Soak(int loads, int threads, long seed) throws IOException {
        this.loads = loads;
        this.threads = threads;
        this.seed = seed;
        this.folder = Files.createTempDirectory("torchferry-soak-");
        this.loader = CheckpointLoader.builder().threads(4).budget(ZERO, ROOM).budget(Device.cpu(), ROOM).build();
    }

    /** Arguments: loads, threads, seed. */
    public static void main(String[] arguments) throws Exception {
        int loads = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 100_000;
        int threads = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 8;
        long seed = arguments.length > 2 ? Long.parseLong(arguments[2]) : 1;
        // Damage is logged by nobody here: what counts is what stays.
        new Soak(loads, threads, seed).run();
    }

    /** What must not grow. */
    private record Footprint(long rss, int descriptors, int threads, long handles, long deviceBytes, int mappings) {
        static Footprint now(Path folder) throws IOException {
            long rss = 0;
            int threads = 0;
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                String[] words = line.split("\\s+");
                rss = words[0].equals("VmRSS:") ? Long.parseLong(words[1]) << 10 : rss;
                threads = words[0].equals("Threads:") ? Integer.parseInt(words[1]) : threads;
            }
            int descriptors;
            try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
                descriptors = (int) all.count();
            }
            int mappings = (int) Fixtures.maps().lines().filter(line -> line.contains(folder.toString())).count();
            return new Footprint(rss, descriptors, threads, Handle.open(),
                    LoaderFiles.allocated(0) + LoaderFiles.allocated(1), mappings);
        }

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%6.1f MiB resident, %d descriptors, %d threads, %d native objects, "
                    + "%d bytes on devices, %d mappings", rss / 1048576.0, descriptors, threads, handles, deviceBytes,
                    mappings);
        }
    }

    private void run() throws Exception {
        Fixtures.loadFakeDevice();
        makeFiles();
        FakeDevice.setMemoryLimit(1, 1 << 20);
        Staging.limit(48 << 20);
        System.out.printf("soak: %d loads, %d threads, seed %d%n", loads, threads, seed);
        long begun = System.nanoTime();
        // The JVM compiles and malloc makes its arenas first.
        int warmUp = Math.max(loads / 10, Math.min(WARM_UP, loads / 2));
        part(warmUp);
        Footprint warm = settled();
        System.out.printf("%8d loads: %s%n", started.get(), warm);
        for (int step = 1; step <= STEPS; step++) {
            part(warmUp + (int) ((loads - warmUp) * (long) step / STEPS));
            System.out.printf("%8d loads: %s%n", started.get(), settled());
        }
        LoaderStats stats = loader.stats();
        loader.close();
        Footprint end = settled();
        double seconds = (System.nanoTime() - begun) / 1e9;
        System.out.printf("     at the end: %s%n", end);
        System.out.printf(Locale.ROOT, "%.1f s, %.0f loads a second; %s%n", seconds, started.get() / seconds, outcomes);
        System.out.printf("loader: %d loaded, %d failed, %d cancelled, %d timed out, peaks %s%n", stats.loaded(),
                stats.failed(), stats.cancelled(), stats.timedOut(), stats.peakBytes());
        removeFiles();
        check(warm, end, stats);
        System.out.println("soak: nothing has grown");
    }

    private void check(Footprint warm, Footprint end, LoaderStats stats) {
        List<String> complaints = new ArrayList<>();
        require(complaints, end.rss() <= warm.rss() + SLACK, "memory has grown by " + (end.rss() - warm.rss()));
        require(complaints, end.descriptors() <= warm.descriptors(), "descriptors have grown");
        // The loader's own are gone or idle; none may have been added.
        require(complaints, end.threads() <= warm.threads(), "threads have grown");
        require(complaints, end.handles() == 0, "native objects are left");
        require(complaints, end.deviceBytes() == 0, "bytes are left on devices");
        require(complaints, end.mappings() == 0, "mappings are left");
        require(complaints, stats.queued() + stats.running() + stats.waitingForBudget() == 0, "loads are left");
        require(complaints, loader.stats().bytesHeld().values().stream().allMatch(held -> held == 0),
                "bytes of budgets are left: " + loader.stats().bytesHeld());
        require(complaints, stats.budgetNanos() > 0, "no load ever waited for bytes: the soak is too short");
        require(complaints, stats.peakBytes().getOrDefault(ZERO, 0L) <= ROOM, "a budget was passed");
        for (String kind : List.of("loaded", "cancelled", "late", "refused", "out of memory", "failed copy", "saved")) {
            require(complaints, outcomes.getOrDefault(kind, 0) > 0, "nothing was " + kind + ": the soak is too short");
        }
        if (!complaints.isEmpty()) {
            throw new AssertionError(String.join("; ", complaints));
        }
    }

    private static void require(List<String> complaints, boolean holds, String complaint) {
        if (!holds) {
            complaints.add(complaint);
        }
    }

    private void part(int until) throws Exception {
        List<Thread> workers = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            Random random = new Random(seed * 1_000_003 + until * 31L + t);
            Thread worker = new Thread(() -> work(until, random), "soak-" + t);
            workers.add(worker);
            worker.start();
        }
        for (Thread worker : workers) {
            worker.join();
        }
        if (wrong.get() != null) {
            throw new AssertionError("a load ended in a way that none should", wrong.get());
        }
    }

    private void work(int until, Random random) {
        while (wrong.get() == null) {
            int number = started.getAndIncrement();
            if (number >= until) {
                started.decrementAndGet();
                return;
            }
            try {
                count(one(random));
            } catch (Throwable e) {
                wrong.compareAndSet(null, e);
            }
        }
    }

    private synchronized void count(String outcome) {
        outcomes.merge(outcome, 1, Integer::sum);
    }

    /** One load; how it ended. */
    private String one(Random random) throws Exception {
        int kind = random.nextInt(100);
        if (kind < 8) {
            return damaged(random);
        }
        Path file = good.get(random.nextInt(good.size()));
        if (kind < 10) {
            FakeDevice.failCopyAfter(random.nextInt(4));
        }
        try {
            if (kind < 60) {
                return throughTheLoader(file, random, kind);
            }
            return kind < 62 ? saved(file) : direct(file, random);
        } catch (CancellationException e) {
            return "cancelled";
        } catch (TimeoutException e) {
            return "late";
        } catch (DeviceOutOfMemoryException e) {
            return "out of memory";
        } catch (TorchException | DeviceUnavailableException | CheckpointException e) {
            if (String.valueOf(e.getMessage()).contains("FAKE error")) {
                return "failed copy";
            }
            throw e;
        }
    }

    private static LoadOptions options(Random random) {
        LoadOptions options = LoadOptions.defaults();
        return switch (random.nextInt(5)) {
            case 0 -> options.mapLocation(Device.cpu());
            case 1 -> options.mapLocation(Device.cpu()).mmap(false);
            case 2 -> options.mapLocation(ZERO);
            case 3 -> options.mapLocation(ONE);
            default -> options.mapLocation(Device.cpu()).cast(DType.FLOAT16);
        };
    }

    private String throughTheLoader(Path file, Random random, int kind) throws Exception {
        LoadRequest request = LoadRequest.of(file).withOptions(options(random));
        if (kind < 20) {
            request = request.withDeadline(Duration.ofNanos(random.nextInt(2_000_000)));
        }
        LoadFuture load = loader.load(request);
        if (kind >= 20 && kind < 35) {
            TimeUnit.NANOSECONDS.sleep(random.nextInt(1_000_000));
            if (load.cancel(true)) {
                return "cancelled";
            }
        }
        try (StateDict dict = load.await()) {
            use(dict, random);
        }
        return "loaded";
    }

    private String direct(Path file, Random random) throws Exception {
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            List<TensorInfo> tensors = checkpoint.tensors();
            checkpoint.root();
            checkpoint.plan(options(random));
            if (random.nextInt(10) == 0) {
                checkpoint.digest(tensors.get(random.nextInt(tensors.size())), "SHA-256");
            }
            Progress progress = new Progress();
            if (random.nextInt(10) == 0) {
                progress.cancel();
            }
            try (StateDict dict = checkpoint.stateDict(options(random).progress(progress))) {
                use(dict, random);
            }
        }
        return "loaded";
    }

    private static void use(StateDict dict, Random random) {
        Tensor tensor = dict.values().iterator().next();
        try (StateDict shared = dict.share(); StateDict part = dict.subset(key -> key.length() % 2 == 0)) {
            if (random.nextBoolean()) {
                tensor.toByteArray();
            }
            if (shared.size() < part.size()) {
                throw new AssertionError("a part has more than the whole");
            }
        }
    }

    private String saved(Path file) throws Exception {
        Path copy = Files.createTempFile(folder, "copy-", ".pt");
        try (StateDict dict = Checkpoint.load(file, Device.cpu())) {
            dict.save(copy);
            try (StateDict again = Checkpoint.load(copy, LoadOptions.defaults().mmap(false))) {
                String key = dict.keySet().iterator().next();
                if (!dict.get(key).equalsBitwise(again.get(key))) {
                    throw new AssertionError(key + " of " + file + " did not come back");
                }
            }
        } finally {
            Files.delete(copy);
        }
        return "saved";
    }

    private String damaged(Random random) throws Exception {
        Path file = bad.get(random.nextInt(bad.size()));
        LoadOptions options = options(random).verifyChecksums(true).weightsOnly(true);
        try (StateDict dict = random.nextBoolean() ? Checkpoint.load(file, options)
                : loader.load(file, options).await()) {
            throw new AssertionError(file + " was loaded: " + dict);
        } catch (CheckpointException e) {
            return "refused";
        }
    }

    private void makeFiles() throws IOException {
        for (String name : List.of("golden_zip.pt", "golden_legacy.pt", "whole_model.pt", "sharing.pt", "views.pt")) {
            good.add(Files.copy(Fixtures.file(name), folder.resolve(name)));
        }
        good.add(LoaderFiles.write(folder.resolve("many.pt"), 300, 20));
        good.add(LoaderFiles.write(folder.resolve("large.pt"), 8, 30_000));
        good.add(safetensors(folder.resolve("a.safetensors")));
        for (String name : List.of("truncated.pt", "short_record.pt", "view_out_of_bounds.pt", "flipped_payload.pt",
                "not_a_checkpoint.pt", "os_system.pt")) {
            bad.add(Files.copy(Fixtures.file(name), folder.resolve(name)));
        }
        byte[] cut = Files.readAllBytes(folder.resolve("a.safetensors"));
        bad.add(Files.write(folder.resolve("cut.safetensors"), Arrays.copyOf(cut, cut.length - 100)));
    }

    private static Path safetensors(Path file) throws IOException {
        byte[] header = ("{\"a\":{\"dtype\":\"F32\",\"shape\":[100,50],\"data_offsets\":[0,20000]},"
                + "\"b\":{\"dtype\":\"I64\",\"shape\":[10],\"data_offsets\":[20000,20080]}}")
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length + 20_080).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length).put(header);
        return Files.write(file, bytes.array());
    }

    private void removeFiles() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    /** The footprint once the loader is idle and garbage was collected. */
    private Footprint settled() throws Exception {
        FakeDevice.failCopyAfter(-1);
        LoaderStats stats = loader.stats();
        while (stats.queued() + stats.running() + stats.waitingForBudget() > 0) {
            Thread.sleep(5);
            stats = loader.stats();
        }
        Staging.release();
        for (int i = 0; i < 3; i++) {
            System.gc();
            Thread.sleep(30);
        }
        return Footprint.now(folder);
    }
}
