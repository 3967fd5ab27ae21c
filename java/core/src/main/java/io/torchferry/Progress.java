package io.torchferry;

/**
 * Watches one load or save from another thread, and can stop it. Give it to {@link LoadOptions#progress(Progress)} or
 * {@link SaveOptions#progress(Progress)}; the work under way moves {@link #done} towards {@link #total}. One object
 * serves one piece of work at a time. Safe from any thread.
 */
public final class Progress {
    private long handle;
    private long done;
    private long total;
    private boolean cancelled;

    /** A progress that nothing uses yet. */
    public Progress() {
    }

    /** Bytes read, copied or written so far by the work under way, or by the last one. */
    public synchronized long done() {
        poll();
        return done;
    }

    /** Bytes to read, copy or write; 0 until it is known, and where nothing has to move. */
    public synchronized long total() {
        poll();
        return total;
    }

    /** {@link #done} by {@link #total}, between 0 and 1; 0 while the total is not known. */
    public synchronized double fraction() {
        poll();
        return total == 0 ? 0 : Math.min(1.0, (double) done / total);
    }

    /**
     * Asks the load or save under way, or else the next one, to stop: it ends with
     * {@link java.util.concurrent.CancellationException} and leaves nothing behind; of a save the old file stays.
     * Once cancelled, a progress stays so.
     */
    public synchronized void cancel() {
        cancelled = true;
        if (handle != 0) {
            FormatNative.progressCancel(handle);
        }
    }

    /** Whether {@link #cancel} was called. */
    public synchronized boolean isCancelled() {
        return cancelled;
    }

    /** Starts to follow; the native object is the working thread's until {@link #end}. */
    synchronized long begin() {
        if (handle != 0) {
            throw new IllegalStateException("this Progress follows another load or save that is still running");
        }
        handle = FormatNative.progressCreate();
        done = 0;
        total = 0;
        if (cancelled) {
            FormatNative.progressCancel(handle);
        }
        return handle;
    }

    synchronized void end() {
        poll();
        long ended = handle;
        handle = 0;
        FormatNative.progressDestroy(ended);
    }

    private void poll() {
        if (handle != 0) {
            done = FormatNative.progressDone(handle);
            total = FormatNative.progressTotal(handle);
        }
    }
}
