package io.torchferry;

/**
 * The host memory through which the bytes of all loads of this process travel to devices: buffers of 16 MiB that are
 * used again and again, page-locked where the accelerator's backend can do that. Loads to the CPU need none.
 *
 * @param limit bytes that all buffers together may take
 * @param allocated bytes of buffers that exist
 * @param inUse bytes of buffers that a load holds now
 * @param peak highest {@code allocated} so far
 * @param pinned bytes of {@code allocated} that are page-locked
 */
public record Staging(long limit, long allocated, long inUse, long peak, long pinned) {

    /**
     * How it stands now. Any thread, any time.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static Staging status() {
        NativeLoader.torch();
        long[] numbers = TorchNative.stagingStatus();
        return new Staging(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
    }

    /**
     * Sets the bound of all buffers together, 128 MiB at first; rounded down to whole buffers, one at least. Loads that
     * run keep what they hold; buffers beyond the bound are freed as they come back.
     *
     * @param bytes the bound
     * @throws IllegalArgumentException when negative
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static void limit(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a limit must not be negative: " + bytes);
        }
        NativeLoader.torch();
        TorchNative.stagingLimit(bytes);
    }

    /**
     * Frees the buffers that no load holds; the next load to a device makes new ones.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static void release() {
        NativeLoader.torch();
        TorchNative.stagingRelease();
    }
}
