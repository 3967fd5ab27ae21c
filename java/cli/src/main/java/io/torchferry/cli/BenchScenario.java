package io.torchferry.cli;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Files to measure with, made by the bench itself: a plain dict of CPU tensors, which every contender can read.
 *
 * @param name as {@code --scenario} takes it
 * @param kind the format of the file
 * @param shapes shape by name; names that end in {@code num_batches_tracked} are int64, all others float32
 * @param usual whether it runs where no scenario is named
 * @param againstLibtorch whether libtorch's own reader takes part, which needs three times the file's memory
 * @param asTorchScript whether there is a TorchScript file of the weights, too
 * @param targets what is aimed at, warm
 */
record BenchScenario(String name, Kind kind, Map<String, long[]> shapes, boolean usual, boolean againstLibtorch,
        boolean asTorchScript, List<Target> targets) {
    private static final int LARGE_TENSORS = 64;
    private static final long MIB = 1L << 20;

    /** What the checkpoint is. */
    enum Kind {
        ZIP("weights.pt", null, 4),
        LEGACY("weights.pth", "legacy", 2),
        WHOLE_MODEL("model.pt", "whole_model", 2),
        SAFETENSORS("weights.safetensors", null, 1),
        SHARDS("weights.safetensors.index.json", null, 1);

        final String fileName;
        /** What the Python side is asked to make, or null. */
        final String madeByPython;
        /** How many times the bytes are written, companions included. */
        final int filesWritten;

        Kind(String fileName, String madeByPython, int filesWritten) {
            this.fileName = fileName;
            this.madeByPython = madeByPython;
            this.filesWritten = filesWritten;
        }
    }

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
        Target touch = new Target(Contender.CORE_TOUCH, Contender.TORCH, 1);
        Target copy = new Target(Contender.CORE_COPY, Contender.TORCH, 1.5);
        Target reading = new Target(Contender.CORE_COPY, Contender.READ, 0.9);
        Target bandwidth = new Target(Contender.CORE_COPY, Contender.MEMORY, 0.9);
        Map<String, long[]> resnet50 = ResNet50.stateDict();
        return List.of(
                new BenchScenario("resnet50", Kind.ZIP, resnet50, true, true, true, List.of(
                        new Target(Contender.CORE, Contender.TORCH, 100),
                        new Target(Contender.CORE, Contender.TORCH_MMAP, 50),
                        new Target(Contender.CORE, Contender.STOCK, 300),
                        new Target(Contender.CORE, Contender.SAFETENSORS, 10),
                        new Target(Contender.CORE, Contender.DJL, 200), java, touch, copy, reading, bandwidth)),
                new BenchScenario("small10k", Kind.ZIP, uniform(10_000, 256), true, true, false, List.of(
                        new Target(Contender.CORE, Contender.TORCH, 80),
                        new Target(Contender.CORE, Contender.BARE, 0.5), java, touch, copy)),
                new BenchScenario("large64m", Kind.ZIP, uniform(LARGE_TENSORS, MIB / 4), true, false, false,
                        List.of(touch, copy, reading, bandwidth)),
                new BenchScenario("large1g", Kind.ZIP, uniform(LARGE_TENSORS, 16 * MIB / 4), true, false, false,
                        List.of(touch, copy, reading, bandwidth)),
                new BenchScenario("legacy", Kind.LEGACY, resnet50, false, false, false,
                        List.of(new Target(Contender.CORE, Contender.TORCH, 100), java, touch, copy)),
                new BenchScenario("safetensors", Kind.SAFETENSORS, resnet50, false, false, false,
                        List.of(new Target(Contender.CORE, Contender.SAFETENSORS, 10), java)),
                new BenchScenario("whole_model", Kind.WHOLE_MODEL, resnet50, false, false, false,
                        List.of(new Target(Contender.CORE, Contender.TORCH_UNSAFE, 100), java)),
                new BenchScenario("shards2g", Kind.SHARDS, uniform(8 * 32, 8 * MIB / 4), false, false, false,
                        List.of(java, reading, bandwidth)));
    }

    /** Bytes of the elements. */
    long nbytes() {
        return shapes.entrySet().stream()
                .mapToLong(entry -> elements(entry.getValue()) * (isCounter(entry.getKey()) ? 8 : 4)).sum();
    }

    static boolean isCounter(String key) {
        return key.endsWith("num_batches_tracked");
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
}
