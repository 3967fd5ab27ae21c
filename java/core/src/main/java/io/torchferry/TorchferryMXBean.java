package io.torchferry;

import java.util.List;

/**
 * The library in this process as JMX shows it. Registered by {@link Jmx#register()}. Looking at it loads nothing:
 * what only libtorch knows is empty or 0 until something else has loaded it.
 */
public interface TorchferryMXBean {

    /** Torchferry's version. */
    String getVersion();

    /** The libtorch that runs; empty when none was loaded yet. */
    String getLibtorchVersion();

    /** The folder of its libraries; empty when none was loaded yet. */
    String getLibtorchFolder();

    /** What was tried to load the native libraries, each with its outcome. */
    List<String> getAttempts();

    /** Checkpoints, state dicts and modules that are not closed. */
    long getOpenObjects();

    /** The bound of the buffers on the way to devices, in bytes. */
    long getStagingLimit();

    /** Sets the bound, see {@link Staging#limit}. */
    void setStagingLimit(long bytes);

    /** Bytes of the buffers that exist. */
    long getStagingAllocated();

    /** Bytes of the buffers that a load holds now. */
    long getStagingInUse();

    /** Bytes of the buffers that are page-locked. */
    long getStagingPinned();

    /** Frees the buffers that no load holds, see {@link Staging#release}. */
    void releaseStaging();
}
