package io.torchferry;

/**
 * What happens to the pages of mapped tensors before a load returns. Without it a load costs its index only, and each
 * page is brought in when it is first used.
 */
public enum Prefetch {
    /** Nothing. */
    NONE,

    /** The system is asked to read the file's pages soon, and the load does not wait. For files that are not in memory. */
    READ_AHEAD,

    /**
     * The pages are in memory and mapped when the load returns, brought in by several threads
     * ({@link LoadOptions#threads}): the first use of the weights meets no page fault. The load then takes time in
     * proportion to the bytes.
     */
    POPULATE
}
