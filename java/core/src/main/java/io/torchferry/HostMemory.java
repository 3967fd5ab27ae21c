package io.torchferry;

/**
 * The host memory that private copies of tensors lie in ({@link LoadOptions#mmap}{@code (false)}), when nobody uses it
 * any more. Blocks that closed state dicts have given back are kept for the next load, up to a bound, because the system's
 * clearing of fresh pages costs about as much as reading the bytes does. Kept blocks are offered to the system
 * ({@code MADV_FREE}): it takes their pages when it runs short of memory, though they count as resident until then.
 * PyTorch's CPU allocator keeps nothing.
 *
 * @param limit bytes of blocks that may be kept
 * @param kept bytes of blocks that are kept now
 */
public record HostMemory(long limit, long kept) {

    /**
     * How it stands now. Any thread, any time.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static HostMemory status() {
        NativeLoader.torch();
        long[] numbers = TorchNative.hostMemoryStatus();
        return new HostMemory(numbers[0], numbers[1]);
    }

    /**
     * Sets the bound for the process: 2 GiB, or an eighth of the machine's memory where that is less, at first. What is
     * kept beyond it is given back at once.
     *
     * @param bytes the bound; 0: nothing is kept, memory goes back to the system when its last tensor goes
     * @throws IllegalArgumentException when negative
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static void limit(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a limit must not be negative: " + bytes);
        }
        NativeLoader.torch();
        TorchNative.hostMemoryLimit(bytes);
    }

    /**
     * Gives the blocks that are kept back to the system; the next load takes fresh ones.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static void release() {
        NativeLoader.torch();
        TorchNative.hostMemoryRelease();
    }
}
