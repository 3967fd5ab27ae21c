package io.torchferry;

/**
 * Told how far a load or save has come; see {@link LoadOptions#progress(ProgressListener)} and
 * {@link SaveOptions#progress(ProgressListener)}.
 */
@FunctionalInterface
public interface ProgressListener {
    /**
     * Called about ten times a second from a thread of its own, and once more when the work has ended well, with
     * {@code done} equal to {@code total}. What the last call throws, on the working thread, is what the load or save
     * throws (a saved file is in place by then); what an earlier one throws is logged, and ends the calls.
     *
     * @param done bytes read, copied or written so far
     * @param total bytes to read, copy or write; 0 until it is known, and where nothing has to move
     */
    void progress(long done, long total);
}
