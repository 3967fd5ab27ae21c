package io.torchferry.cli;

import java.nio.file.Path;

/**
 * One way to load a file.
 *
 * @param id the name in JSON: "torchferry_core"
 * @param label the name in tables: "Torchferry, C++ core"
 * @param timed loads a file so many times
 */
record Contender(String id, String label, Timed timed) {
    static final String CORE = "torchferry_core";
    static final String JAVA = "torchferry_java";
    static final String CORE_READ = "torchferry_core_read";
    static final String STOCK = "libtorch_pickle_load";
    static final String TORCH = "torch_load";
    static final String TORCH_MMAP = "torch_load_mmap";
    static final String TORCH_UNSAFE = "torch_load_weights_only_false";

    /** Loads and measures. */
    @FunctionalInterface
    interface Timed {
        /** Nanoseconds of each of {@code times} loads; giving back what was loaded is not counted. */
        long[] load(Path file, int times) throws Exception;
    }
}
