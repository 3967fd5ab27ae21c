package io.torchferry;

import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The bytes that a load will take on each device, as its plan tells before anything is spent. */
final class LoadBytes {

    private LoadBytes() {
    }

    /**
     * Storages, and with a cast also what it makes of them, because both are there for a moment.
     *
     * @param withMapped whether storages that are views of the mapped file count
     */
    static Map<Device, Long> of(Checkpoint checkpoint, Placement placement, LoadRequest request, boolean withMapped)
            throws IOException {
        LoadPlan plan = checkpoint.plan(placement);
        Map<Device, Long> bytes = new TreeMap<>(DeviceBudget.ORDER);
        for (LoadPlan.StoragePlan storage : plan.storages()) {
            boolean counts = storage.transfer() != LoadPlan.Transfer.NOTHING
                    && (withMapped || storage.transfer() != LoadPlan.Transfer.MAP);
            if (counts && storage.nbytes() > 0) {
                bytes.merge(DeviceBudget.normal(storage.device()), storage.nbytes(), Long::sum);
            }
        }
        if (request.options().cast().isPresent()) {
            addCast(placement.chosen(checkpoint.tensors(request.place())), request.options().cast().get(),
                    plan.devices(), bytes);
        }
        return Collections.unmodifiableMap(bytes);
    }

    private static void addCast(List<TensorInfo> tensors, DType cast, Map<String, Device> devices,
            Map<Device, Long> bytes) {
        for (TensorInfo tensor : tensors) {
            Device device = devices.get(tensor.location());
            boolean changes = tensor.dtype().isFloatingPoint() && tensor.dtype() != cast && tensor.numel() > 0;
            if (changes && device != null && !device.isMeta()) {
                bytes.merge(DeviceBudget.normal(device), tensor.numel() * cast.itemsize(), Long::sum);
            }
        }
    }
}
