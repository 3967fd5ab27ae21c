package io.torchferry.cli;

import java.io.IOException;

/**
 * One way to load the files of a scenario.
 *
 * @param id the name in JSON: "torchferry_core"
 * @param label the name in tables: "Torchferry, C++ core"
 * @param process the number of the process that loads
 * @param cold whether it takes part where nothing of the files is in memory
 * @param timed loads so many times
 */
record Contender(String id, String label, Process process, boolean cold, Timed timed) {
    static final String INDEX = "torchferry_index";
    static final String CORE = "torchferry_core";
    static final String JAVA = "torchferry_java";
    static final String CORE_TOUCH = "torchferry_core_touch";
    static final String CORE_COPY = "torchferry_core_copy";
    static final String DEVICE = "torchferry_device";
    static final String BARE = "bare_tensors";
    static final String MEMORY = "copy_memory";
    static final String READ = "read_file";
    static final String STOCK = "libtorch_pickle_load";
    static final String TORCH = "torch_load";
    static final String TORCH_MMAP = "torch_load_mmap";
    static final String TORCH_UNSAFE = "torch_load_weights_only_false";
    static final String TORCH_DEVICE = "torch_load_device";
    static final String SAFETENSORS = "safetensors_load_file";
    static final String SAFETENSORS_DEVICE = "safetensors_load_file_device";
    static final String DJL = "djl_load";

    /** Tells a process's number. */
    @FunctionalInterface
    interface Process {
        /** This process. */
        Process OWN = () -> ProcessHandle.current().pid();

        long pid() throws IOException;
    }

    /** Loads and measures. */
    @FunctionalInterface
    interface Timed {
        /** Nanoseconds of each of {@code times} loads; giving back what was loaded is not counted. */
        long[] load(BenchFiles files, int times) throws Exception;
    }
}
