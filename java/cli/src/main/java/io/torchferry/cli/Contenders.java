package io.torchferry.cli;

import io.torchferry.Benchmarks;
import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The ways to load a file that are compared. */
final class Contenders {
    private Contenders() {}

    /**
     * In the order of the table.
     *
     * @param peer Python with PyTorch, where there is one
     * @param againstLibtorch whether libtorch's own reader takes part, which needs three times the file's memory
     */
    static List<Contender> of(Optional<TorchPeer> peer, boolean againstLibtorch) {
        List<Contender> all = new ArrayList<>();
        all.add(new Contender(Contender.CORE, "Torchferry, C++ core",
                (file, times) -> Benchmarks.load(file, times, true).total()));
        all.add(new Contender(Contender.JAVA, "Torchferry, through Java", Contenders::throughJava));
        all.add(new Contender(Contender.CORE_READ, "Torchferry, C++ core, every byte read",
                (file, times) -> Benchmarks.load(file, times, false).total()));
        peer.ifPresent(python -> {
            all.add(new Contender(Contender.TORCH, "torch.load",
                    (file, times) -> python.load(file, false, true, times)));
            all.add(new Contender(Contender.TORCH_MMAP, "torch.load(mmap=True)",
                    (file, times) -> python.load(file, true, true, times)));
            all.add(new Contender(Contender.TORCH_UNSAFE, "torch.load(weights_only=False)",
                    (file, times) -> python.load(file, false, false, times)));
        });
        if (againstLibtorch) {
            all.add(new Contender(Contender.STOCK, "libtorch pickle_load", Benchmarks::stockLibtorch));
        }
        return all;
    }

    /** From a path to a Java map whose every tensor has told its type and shape. */
    private static long[] throughJava(Path file, int times) throws IOException {
        long[] nanos = new long[times];
        long seen = 0;
        for (int i = 0; i < times; i++) {
            long start = System.nanoTime();
            StateDict tensors = Checkpoint.load(file, Device.cpu());
            for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
                seen += entry.getKey().length() + entry.getValue().dtype().itemsize() + entry.getValue().shape().length;
            }
            nanos[i] = System.nanoTime() - start;
            tensors.close();
        }
        if (seen == 0) {
            throw new IOException(file + " has no tensors to measure with");
        }
        return nanos;
    }
}
