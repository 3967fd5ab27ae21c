package io.torchferry;

import java.util.List;
import java.util.Map;

/**
 * What a load will do, before it does anything. Making one reads no tensor byte.
 *
 * @param storages the storages that are needed, in file order
 * @param devices saved location to the device it goes to, for the locations in use
 * @param bytesByDevice bytes of storages on each device
 * @param bytesRead bytes that will be read from the file at load; mapped ones are not
 */
public record LoadPlan(
        List<StoragePlan> storages, Map<String, Device> devices, Map<Device, Long> bytesByDevice, long bytesRead) {

    /** What happens to one storage. */
    public enum Transfer {
        // In the order of torchferry::Transfer.
        /** It becomes a view of the mapped file. */
        MAP,
        /** It is read into CPU memory of its own. */
        READ,
        /** It is copied to a device's memory. */
        COPY,
        /** It is on the meta device: no byte is needed. */
        NOTHING
    }

    /**
     * Where one storage goes.
     *
     * @param storageKey the storage's key in the file
     * @param savedLocation where it was saved
     * @param nbytes its bytes in memory
     * @param device where it goes
     * @param transfer how
     */
    public record StoragePlan(
            String storageKey, String savedLocation, long nbytes, Device device, Transfer transfer) {
    }
}
