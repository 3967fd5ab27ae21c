package io.torchferry.cli;

import io.torchferry.Benchmarks;
import io.torchferry.Benchmarks.Way;
import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The ways to load a file that are compared. */
final class Contenders {
    /** Threads of the copy that tells the machine's bandwidth, as many as a load takes. */
    private static final int COPYING_THREADS = Math.min(8, Runtime.getRuntime().availableProcessors());

    private final BenchPeers peers;
    private final List<Contender> all = new ArrayList<>();

    private Contenders(BenchPeers peers) {
        this.peers = peers;
    }

    /**
     * In the order of the table.
     *
     * @param peers other programs that load
     * @param kind the format
     * @param againstLibtorch whether libtorch's own reader takes part, which needs three times the file's memory
     * @param asTorchScript whether there is a TorchScript file of the weights, too
     */
    static List<Contender> of(BenchPeers peers, BenchScenario.Kind kind, boolean againstLibtorch,
            boolean asTorchScript) {
        Contenders contenders = new Contenders(peers);
        contenders.ours();
        contenders.machines();
        contenders.pythons(kind);
        if (againstLibtorch) {
            contenders.add(Contender.STOCK, "libtorch pickle_load",
                    (files, times) -> Benchmarks.stockLibtorch(files.main(), times));
        }
        if (asTorchScript) {
            peers.others().forEach((id, peer) -> contenders.all.add(new Contender(id,
                    id.equals(Contender.DJL) ? "DJL, the same weights in TorchScript" : id, peer::pid, true,
                    (files, times) -> peer.load(files.torchScript(), times))));
        }
        Device best = Device.bestAvailable();
        if (!best.equals(Device.cpu())) {
            contenders.onto(best, kind);
        }
        return contenders.all;
    }

    private void add(String id, String label, Contender.Timed timed) {
        all.add(new Contender(id, label, Contender.Process.OWN, true, timed));
    }

    private void addPython(String id, String label, Contender.Timed timed) {
        all.add(new Contender(id, label, () -> peers.torch().pid(), true, timed));
    }

    private void addWarm(String id, String label, Contender.Timed timed) {
        all.add(new Contender(id, label, Contender.Process.OWN, false, timed));
    }

    private void ours() {
        add(Contender.INDEX, "Torchferry, index only, no libtorch", Contenders::index);
        add(Contender.CORE, "Torchferry, C++ core, views",
                (files, times) -> Benchmarks.load(files.main(), times, Way.MAPPED, 0).total());
        add(Contender.JAVA, "Torchferry, through Java, views", (files, times) -> throughJava(files.main(), times));
        add(Contender.CORE_TOUCH, "Torchferry, C++ core, views, every byte used",
                (files, times) -> Benchmarks.load(files.main(), times, Way.TOUCHED, 0).total());
        add(Contender.CORE_COPY, "Torchferry, C++ core, private copy",
                (files, times) -> Benchmarks.load(files.main(), times, Way.COPIED, 0).total());
    }

    /** What libtorch and the machine take for the same, without any file. */
    private void machines() {
        addWarm(Contender.BARE, "as many bare at::Tensors",
                (files, times) -> Benchmarks.bareTensors(files.main(), times));
        add(Contender.READ, "pread of the same bytes, " + Units.count(COPYING_THREADS, "thread"), Contenders::readAll);
        addWarm(Contender.MEMORY, "memcpy of as many bytes, " + Units.count(COPYING_THREADS, "thread"),
                (files, times) -> Benchmarks.copyMemory(files.size(), times, COPYING_THREADS, true));
    }

    private void pythons(BenchScenario.Kind kind) {
        boolean pickled = kind == BenchScenario.Kind.ZIP || kind == BenchScenario.Kind.LEGACY;
        if (pickled) {
            addPython(Contender.TORCH, "torch.load",
                    (files, times) -> peers.torch().load(files.main(), false, true, "cpu", times));
        }
        if (kind == BenchScenario.Kind.ZIP) {
            addPython(Contender.TORCH_MMAP, "torch.load(mmap=True)",
                    (files, times) -> peers.torch().load(files.main(), true, true, "cpu", times));
        }
        if (pickled || kind == BenchScenario.Kind.WHOLE_MODEL) {
            addPython(Contender.TORCH_UNSAFE, "torch.load(weights_only=False)",
                    (files, times) -> peers.torch().load(files.main(), false, false, "cpu", times));
        }
        if (kind != BenchScenario.Kind.LEGACY && kind != BenchScenario.Kind.WHOLE_MODEL) {
            addPython(Contender.SAFETENSORS, "safetensors load_file",
                    (files, times) -> peers.torch().loadSafetensors(files.safetensors(), "cpu", times));
        }
    }

    private void onto(Device device, BenchScenario.Kind kind) {
        String name = device.toString();
        add(Contender.DEVICE, "Torchferry, through Java, to " + name, (files, times) -> timed(times, () -> {
            StateDict loaded = Checkpoint.load(files.main(), device);
            return loaded::close;
        }));
        if (kind == BenchScenario.Kind.ZIP) {
            addPython(Contender.TORCH_DEVICE, "torch.load to " + name,
                    (files, times) -> peers.torch().load(files.main(), false, true, name, times));
            addPython(Contender.SAFETENSORS_DEVICE, "safetensors load_file to " + name,
                    (files, times) -> peers.torch().loadSafetensors(files.safetensors(), name, times));
        }
    }

    /** Something loaded that has to be given back, outside the clock. */
    private interface Loaded {
        void giveBack() throws IOException;
    }

    /** A load. */
    private interface Load {
        Loaded run() throws IOException;
    }

    private static long[] timed(int times, Load load) throws IOException {
        long[] nanos = new long[times];
        for (int i = 0; i < times; i++) {
            long start = System.nanoTime();
            Loaded loaded = load.run();
            nanos[i] = System.nanoTime() - start;
            loaded.giveBack();
        }
        return nanos;
    }

    private static long[] readAll(BenchFiles files, int times) throws IOException {
        long[] nanos = new long[times];
        for (Path part : files.parts()) {
            long[] more = Benchmarks.readFile(part, times, COPYING_THREADS);
            for (int i = 0; i < times; i++) {
                nanos[i] += more[i];
            }
        }
        return nanos;
    }

    /** From a path to a list of all names, types and shapes. */
    private static long[] index(BenchFiles files, int times) throws IOException {
        return timed(times, () -> {
            Checkpoint file = Checkpoint.open(files.main());
            if (file.tensors().isEmpty()) {
                throw new IOException(files.main() + " has no tensors to measure with");
            }
            return file::close;
        });
    }

    /** From a path to a Java map whose every tensor has told its type and shape. */
    private static long[] throughJava(Path file, int times) throws IOException {
        return timed(times, () -> {
            StateDict tensors = Checkpoint.load(file, Device.cpu());
            requireTensors(file, tensors);
            return tensors::close;
        });
    }

    private static void requireTensors(Path file, StateDict tensors) throws IOException {
        long seen = 0;
        for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
            seen += entry.getKey().length() + entry.getValue().dtype().itemsize() + entry.getValue().shape().length;
        }
        if (seen == 0) {
            throw new IOException(file + " has no tensors to measure with");
        }
    }

    /**
     * The ways that are compared with several threads at once, each thread on a file of its own. A time is that of all
     * threads' loads together, divided by their number: half of it with two threads is perfect.
     */
    static List<Contender> inThreads(BenchPeers peers, BenchScenario.Kind kind, int threads) {
        Contenders contenders = new Contenders(peers);
        contenders.add(Contender.JAVA, "Torchferry, through Java, views", (files, times) -> together(threads, times,
                files.copies(threads), file -> {
                    try (StateDict tensors = Checkpoint.load(file, Device.cpu())) {
                        requireTensors(file, tensors);
                    }
                }));
        LoadOptions copied = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false).threads(1);
        contenders.add(Contender.CORE_COPY, "Torchferry, through Java, private copy",
                (files, times) -> together(threads, times, files.copies(threads),
                        file -> Checkpoint.load(file, copied).close()));
        if (kind == BenchScenario.Kind.ZIP || kind == BenchScenario.Kind.LEGACY) {
            contenders.addPython(Contender.TORCH, "torch.load, Python threads",
                    (files, times) -> peers.torch().loadInThreads(files.copies(threads), times));
        }
        return contenders.all;
    }

    /** What one thread does with its file. */
    private interface OnFile {
        void load(Path file) throws IOException;
    }

    private static long[] together(int threads, int times, List<Path> files, OnFile work) throws Exception {
        List<Thread> running = new ArrayList<>();
        List<Throwable> failures = new ArrayList<>();
        long start = System.nanoTime();
        for (int i = 0; i < threads; i++) {
            Path file = files.get(i);
            Thread thread = new Thread(() -> {
                try {
                    for (int turn = 0; turn < times; turn++) {
                        work.load(file);
                    }
                } catch (IOException | RuntimeException | Error e) {
                    synchronized (failures) {
                        failures.add(e);
                    }
                }
            }, "torchferry-bench-" + i);
            running.add(thread);
            thread.start();
        }
        for (Thread thread : running) {
            thread.join();
        }
        long each = (System.nanoTime() - start) / ((long) threads * times);
        if (!failures.isEmpty()) {
            throw new IOException(failures.get(0).getMessage(), failures.get(0));
        }
        return new long[] {each};
    }
}
