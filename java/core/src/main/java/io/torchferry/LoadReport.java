package io.torchferry;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * How a load went. Times are wall-clock nanoseconds.
 *
 * @param planNanos placement
 * @param transferNanos mapping, reading, copying
 * @param tensorsNanos building views
 * @param bytesMapped bytes of storages that are views of the mapped file
 * @param bytesRead bytes read from the file
 * @param bytesCopiedToDevices bytes copied to devices other than the CPU
 * @param bytesPinned bytes that went through page-locked buffers to devices, with what separates them in the file
 * @param skipped tensors left out because they cannot be loaded
 */
public record LoadReport(
        long planNanos,
        long transferNanos,
        long tensorsNanos,
        long bytesMapped,
        long bytesRead,
        long bytesCopiedToDevices,
        long bytesPinned,
        List<Skipped> skipped) {

    /** A way in which bytes came to where they are. */
    public enum Strategy {
        /** Views of the mapped file: no byte was read. */
        MAPPED,
        /** Read into host memory of their own. */
        READ,
        /** Read into page-locked buffers and copied to a device beside further reading. */
        PINNED,
        /** Read into ordinary host memory and copied to a device from there. */
        STAGED
    }

    /** The ways that this load took; empty when it moved nothing. */
    public Set<Strategy> strategies() {
        Set<Strategy> taken = EnumSet.noneOf(Strategy.class);
        if (bytesMapped > 0) {
            taken.add(Strategy.MAPPED);
        }
        if (bytesRead > bytesCopiedToDevices) {
            taken.add(Strategy.READ);
        }
        if (bytesPinned > 0) {
            taken.add(Strategy.PINNED);
        }
        if (bytesCopiedToDevices > bytesPinned) {
            taken.add(Strategy.STAGED);
        }
        return taken;
    }

    /**
     * A tensor that was left out.
     *
     * @param key its name
     * @param reason why it cannot be loaded
     */
    public record Skipped(String key, String reason) {
    }
}
