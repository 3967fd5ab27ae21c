package io.torchferry;

import java.nio.file.Path;
import java.util.List;

/**
 * Sets up and reads the fake accelerator of the tests ({@code tests/native/fake_device/fake_device.h}).
 *
 * <p>Once {@linkplain #load(Path) loaded}, libtorch has devices {@code privateuseone:0} and
 * {@code privateuseone:1} with memory of their own. The state belongs to the process, so a test that changes it
 * puts it back. Safe from every thread.
 */
final class FakeDevice {

    private FakeDevice() {
    }

    /**
     * Loads the fake accelerator into this process, once; later calls do nothing.
     *
     * <p>libtorch must be loaded before: the library takes {@code libtorch_cpu.so} and {@code libc10.so} from the
     * libraries that are there already, and otherwise loads those it was built with. Devices appear at once,
     * also to code that has asked for them before.
     *
     * @param library the file {@code libtorchferry_fake_device.so}, absolute or relative to the working directory
     * @throws UnsatisfiedLinkError if the file or libtorch is missing, or libtorch lacks a symbol it needs
     */
    static void load(Path library) {
        System.load(library.toAbsolutePath().toString());
    }

    /**
     * Sets how many indices exist, 0 to 16; 2 at first.
     *
     * @throws IllegalArgumentException for another number, or if an index that would vanish holds memory
     */
    static native void setDeviceCount(int count);

    /**
     * Limits the memory of an index.
     *
     * @param bytes what live allocations may sum up to; negative restores the 16 GiB of the beginning
     * @throws IllegalArgumentException if the index is not there
     */
    static native void setMemoryLimit(int index, long bytes);

    /**
     * Limits the speed of copies to and from an index.
     *
     * @param bytesPerSecond both directions together; 0 for no limit
     * @throws IllegalArgumentException if the index is not there or the number is negative
     */
    static native void setBandwidth(int index, long bytesPerSecond);

    /**
     * The statistics of an index, in the order of {@link #statNames()}. What each means stands at
     * {@code TF_FAKE_STATS} in {@code fake_device.h}.
     *
     * @throws IllegalArgumentException if the index is not there
     */
    static native long[] stats(int index);

    /** The names of the statistics, for example {@code host_to_device_copies}. */
    static native String[] statNames();

    /** Starts all counts and peaks of all indices anew. */
    static native void resetStats();

    /**
     * Makes one copy fail: the next {@code copies} succeed, the one after fails, then all succeed again.
     * Negative: none fails.
     */
    static native void failCopyAfter(int copies);

    /**
     * Lets the next {@code copies} asynchronous copies go and holds those after them until this is called again.
     * Negative: none is held.
     */
    static native void holdCopiesAfter(int copies);

    /**
     * One statistic of an index by its name.
     *
     * @throws IllegalArgumentException if the index or the name is not there
     */
    static long stat(int index, String name) {
        int position = List.of(statNames()).indexOf(name);
        if (position < 0) {
            throw new IllegalArgumentException("no statistic is named " + name);
        }
        return stats(index)[position];
    }
}
