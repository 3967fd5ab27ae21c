package io.torchferry.cli;

import io.torchferry.SaveOptions;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A file to measure with, made by the bench itself: a plain dict of CPU tensors, which every contender can read.
 *
 * @param name as {@code --scenario} takes it
 * @param shapes shape by name; names that end in {@code num_batches_tracked} are int64, all others float32
 * @param againstLibtorch whether libtorch's own reader takes part
 * @param targets what is aimed at
 */
record BenchScenario(String name, Map<String, long[]> shapes, boolean againstLibtorch, List<Target> targets) {
    private static final int LARGE_TENSORS = 64;

    /**
     * How many times as fast as another contender one should be.
     *
     * @param faster the contender that should be
     * @param slower the other one
     * @param ratio the other's median by its own; below 1: how much slower it may be
     */
    record Target(String faster, String slower, double ratio) {}

    /** All that there are, in the order they run. */
    static List<BenchScenario> all() {
        Target java = new Target(Contender.JAVA, Contender.CORE, 0.5);
        return List.of(
                new BenchScenario("resnet50", ResNet50.stateDict(), true, List.of(
                        new Target(Contender.CORE, Contender.TORCH, 100),
                        new Target(Contender.CORE, Contender.TORCH_MMAP, 50),
                        new Target(Contender.CORE, Contender.STOCK, 300), java)),
                new BenchScenario("small10k", uniform(10_000, 256), true,
                        List.of(new Target(Contender.CORE, Contender.TORCH, 80), java)),
                new BenchScenario("large64m", uniform(LARGE_TENSORS, 1_000_000 / 4), false, List.of()),
                new BenchScenario("large1g", uniform(LARGE_TENSORS, 16_000_000 / 4), false, List.of()));
    }

    /** Bytes of the elements. */
    long nbytes() {
        return shapes.entrySet().stream()
                .mapToLong(entry -> elements(entry.getValue()) * (isCounter(entry.getKey()) ? 8 : 4)).sum();
    }

    /** Writes the file as torch.save would. */
    void write(Path file) throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try {
            shapes.forEach((key, shape) -> tensors.put(key, tensor(key, shape)));
            try (StateDict dict = StateDict.of(tensors)) {
                dict.save(file, SaveOptions.defaults().orderedDict(false));
            }
        } finally {
            tensors.values().forEach(Tensor::close);
        }
    }

    private static Tensor tensor(String key, long[] shape) {
        if (isCounter(key)) {
            return Tensor.scalar(0L);
        }
        float[] values = new float[Math.toIntExact(elements(shape))];
        for (int i = 0; i < values.length; i++) {
            values[i] = (i * 31 + key.length()) % 1009 / 1009f - 0.5f;
        }
        return Tensor.of(values, shape);
    }

    private static Map<String, long[]> uniform(int tensors, long elements) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        for (int i = 0; i < tensors; i++) {
            shapes.put("layers." + i + ".weight", new long[] {elements});
        }
        return shapes;
    }

    private static long elements(long[] shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    private static boolean isCounter(String key) {
        return key.endsWith("num_batches_tracked");
    }
}
