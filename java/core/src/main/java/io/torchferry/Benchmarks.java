package io.torchferry;

import java.nio.file.Path;

/** A measurement aid: times the native side alone, without Java. Not meant for anything else. */
public final class Benchmarks {

    /**
     * What each iteration took, in nanoseconds.
     *
     * @param index opening the file and reading its index
     * @param tensors building all tensors, as views of the mapping or read into memory
     * @param destroy giving everything back
     */
    public record LoadTimes(long[] index, long[] tensors, long[] destroy) {

        /** Iterations. */
        public int count() {
            return index.length;
        }

        /** {@link #index} and {@link #tensors} together. */
        public long[] total() {
            long[] total = new long[index.length];
            for (int i = 0; i < total.length; i++) {
                total[i] = index[i] + tensors[i];
            }
            return total;
        }
    }

    private Benchmarks() {
    }

    /**
     * Opens and loads a checkpoint to the CPU again and again in C++: index and all tensors.
     *
     * @param mmap see {@link LoadOptions#mmap(boolean)}
     * @throws java.io.IOException when the file cannot be loaded
     */
    public static LoadTimes load(Path path, int iterations, boolean mmap) throws java.io.IOException {
        requireSome(iterations);
        NativeLoader.torch();
        return Source.of(path, Limits.DEFAULT).use(source -> {
            long[] times = TorchNative.benchLoad(source.requirePath(), iterations, mmap);
            return new LoadTimes(every(times, 0), every(times, 1), every(times, 2));
        });
    }

    /**
     * Loads a checkpoint with libtorch's own reader ({@code torch::jit::pickle_load}) again and again. That reads plain
     * dicts only, no {@code OrderedDict}.
     *
     * @return nanoseconds of each iteration
     * @throws TorchException when libtorch cannot read the file
     * @throws java.io.IOException when there is no such file
     */
    public static long[] stockLibtorch(Path path, int iterations) throws java.io.IOException {
        requireSome(iterations);
        NativeLoader.torch();
        return Source.of(path, Limits.DEFAULT).use(source -> TorchNative.benchStock(source.requirePath(), iterations));
    }

    private static void requireSome(int iterations) {
        if (iterations < 1) {
            throw new IllegalArgumentException("iterations must be at least 1: " + iterations);
        }
    }

    private static long[] every(long[] times, int phase) {
        long[] column = new long[times.length / 3];
        for (int i = 0; i < column.length; i++) {
            column[i] = times[3 * i + phase];
        }
        return column;
    }
}
