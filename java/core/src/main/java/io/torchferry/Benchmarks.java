package io.torchferry;

import java.io.IOException;
import java.nio.file.Path;

/** A measurement aid: times the native side alone, and what the machine itself can do. Not meant for anything else. */
public final class Benchmarks {

    /** How the native side loads. The order is that of the C++ enum in bench_natives.cpp. */
    public enum Way {
        /** As views of a mapping of the file. */
        MAPPED,
        /** Into memory of its own. */
        COPIED,
        /** As views, every byte of which is read afterwards by one thread. */
        TOUCHED
    }

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
     * @param threads as {@link LoadOptions#threads(int)}
     * @throws IOException when the file cannot be loaded
     */
    public static LoadTimes load(Path path, int iterations, Way way, int threads) throws IOException {
        requirePositive(iterations, "iterations");
        NativeLoader.torch();
        return Source.of(path, Limits.DEFAULT).use(source -> {
            long[] times = TorchNative.benchLoad(source.requirePath(), iterations, way.ordinal(), threads);
            return new LoadTimes(every(times, 0), every(times, 1), every(times, 2));
        });
    }

    /**
     * Loads a checkpoint with libtorch's own reader ({@code torch::jit::pickle_load}) again and again. That reads plain
     * dicts only, no {@code OrderedDict}.
     *
     * @return nanoseconds of each iteration
     * @throws TorchException when libtorch cannot read the file
     * @throws IOException when there is no such file
     */
    public static long[] stockLibtorch(Path path, int iterations) throws IOException {
        requirePositive(iterations, "iterations");
        NativeLoader.torch();
        return Source.of(path, Limits.DEFAULT).use(source -> TorchNative.benchStock(source.requirePath(), iterations));
    }

    /**
     * Makes as many tensors as the checkpoint has, of its shapes, over memory that is there already
     * ({@code at::from_blob}): what libtorch itself takes for them, without any file.
     *
     * @return nanoseconds of each iteration
     * @throws IOException when the file cannot be read
     */
    public static long[] bareTensors(Path path, int iterations) throws IOException {
        requirePositive(iterations, "iterations");
        NativeLoader.torch();
        return Source.of(path, Limits.DEFAULT)
                .use(source -> TorchNative.benchBareTensors(source.requirePath(), iterations));
    }

    /**
     * Copies memory with {@code memcpy}, the bytes divided among threads: the bandwidth of this machine.
     *
     * @param bytes how many
     * @param fresh whether each iteration copies into memory that it has just got from the system, as a load does; else
     *     into memory that has been written to before
     * @return nanoseconds of each iteration
     */
    public static long[] copyMemory(long bytes, int iterations, int threads, boolean fresh) {
        requirePositive(iterations, "iterations");
        requirePositive(threads, "threads");
        requirePositive(bytes, "bytes");
        NativeLoader.torch();
        return TorchNative.benchCopyMemory(bytes, iterations, threads, fresh);
    }

    /**
     * Reads a file's bytes with {@code pread} into memory that it has just got from the system, the bytes divided among
     * threads: what a load that copies needs at least.
     *
     * @return nanoseconds of each iteration
     * @throws IOException when the file cannot be read
     */
    public static long[] readFile(Path path, int iterations, int threads) throws IOException {
        requirePositive(iterations, "iterations");
        requirePositive(threads, "threads");
        NativeLoader.torch();
        return Source.of(path, Limits.DEFAULT)
                .use(source -> TorchNative.benchReadFile(source.requirePath(), iterations, threads));
    }

    /**
     * Asks the system to forget what it keeps of a file in memory, so that the next load comes from the disk. Pages that
     * a process has mapped stay.
     *
     * @throws IOException when there is no such file, or the system refuses
     */
    public static void evict(Path path) throws IOException {
        NativeLoader.format();
        Source.of(path, Limits.DEFAULT).use(source -> {
            FormatNative.evict(source.requirePath());
            return null;
        });
    }

    private static void requirePositive(long value, String what) {
        if (value < 1) {
            throw new IllegalArgumentException(what + " must be at least 1: " + value);
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
