package io.torchferry;

import java.util.List;

/**
 * How a load went. Times are wall-clock nanoseconds.
 *
 * @param planNanos placement
 * @param transferNanos mapping, reading, copying
 * @param tensorsNanos building views
 * @param bytesMapped bytes of storages that are views of the mapped file
 * @param bytesRead bytes read from the file
 * @param bytesCopiedToDevices bytes copied to devices other than the CPU
 * @param skipped tensors left out because they cannot be loaded
 */
public record LoadReport(
        long planNanos,
        long transferNanos,
        long tensorsNanos,
        long bytesMapped,
        long bytesRead,
        long bytesCopiedToDevices,
        List<Skipped> skipped) {

    /**
     * A tensor that was left out.
     *
     * @param key its name
     * @param reason why it cannot be loaded
     */
    public record Skipped(String key, String reason) {
    }
}
