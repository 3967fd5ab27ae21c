package io.torchferry;

/** Told how far a load has come; see {@link LoadOptions#progress(ProgressListener)}. */
@FunctionalInterface
public interface ProgressListener {
    /**
     * Called about ten times a second from a thread of its own, and once more when the load has ended well, with
     * {@code done} equal to {@code total}. What the last call throws, on the loading thread, ends the load; what an
     * earlier one throws is logged, and ends the calls.
     *
     * @param done bytes read or copied so far
     * @param total bytes to read or copy; 0 until it is known, and where nothing has to move
     */
    void progress(long done, long total);
}
