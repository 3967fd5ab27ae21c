package io.torchferry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** One load as the native side takes it: functions of the caller are called here, before, and never from there. */
final class Placement {
    private final LoadOptions options;
    private final String[] path;
    private final int[] selected;
    private final byte[] packed;

    private Placement(LoadOptions options, String[] path, int[] selected, byte[] packed) {
        this.options = options;
        this.path = path;
        this.selected = selected;
        this.packed = packed;
    }

    static Placement of(Checkpoint checkpoint, LoadOptions options, String... path) {
        MapLocation location = options.mapLocation();
        int[] selected = null;
        if (options.filter().isPresent() || location instanceof MapLocation.By) {
            List<TensorInfo> tensors = checkpoint.tensors(path);
            if (options.filter().isPresent()) {
                selected = passing(tensors, options.filter().get());
            }
            if (location instanceof MapLocation.By function) {
                location = function.resolve(locationsOf(tensors, selected));
            }
        }
        return new Placement(options, path, selected, options.packed(location));
    }

    /** The place in words: keys joined by dots. */
    String place() {
        return String.join(".", path);
    }

    private byte[] packedPath() {
        return PackWriter.path(path);
    }

    /** Those of all tensors at its place that are loaded. */
    List<TensorInfo> chosen(List<TensorInfo> all) {
        return selected == null ? all : Arrays.stream(selected).mapToObj(all::get).toList();
    }

    private static int[] passing(List<TensorInfo> tensors, Predicate<String> filter) {
        List<Integer> passing = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            if (filter.test(tensors.get(i).key())) {
                passing.add(i);
            }
        }
        return passing.stream().mapToInt(Integer::intValue).toArray();
    }

    private static Set<String> locationsOf(List<TensorInfo> tensors, int[] selected) {
        Set<String> locations = new LinkedHashSet<>();
        int count = selected == null ? tensors.size() : selected.length;
        for (int i = 0; i < count; i++) {
            addLocations(tensors.get(selected == null ? i : selected[i]), locations);
        }
        return locations;
    }

    private static void addLocations(TensorInfo tensor, Set<String> locations) {
        locations.add(tensor.location());
        tensor.parts().forEach(part -> addLocations(part, locations));
    }

    StateDict load(long checkpoint) throws IOException {
        NativeLoader.torch();
        Progress progress = options.progress().orElse(null);
        ProgressListener listener = options.progressListener().orElse(null);
        if (progress == null && listener == null) {
            return new StateDict(TorchNative.load(checkpoint, packedPath(), selected, packed, 0));
        }
        Progress followed = progress == null ? new Progress() : progress;
        long handle = followed.begin();
        try (ProgressPoll poll = ProgressPoll.start(followed, listener)) {
            StateDict loaded = new StateDict(TorchNative.load(checkpoint, packedPath(), selected, packed, handle));
            finish(poll, loaded);
            return loaded;
        } finally {
            followed.end();
        }
    }

    /** What the listener throws at the end is the caller's, who then gets no dict. */
    private static void finish(ProgressPoll poll, StateDict loaded) {
        try {
            poll.finished();
        } catch (RuntimeException | Error e) {
            loaded.close();
            throw e;
        }
    }

    LoadOptions options() {
        return options;
    }

    /** Starts a native {@code StreamingLoad} that counts its bytes in {@code progress}. */
    long start(long checkpoint, long progress) throws IOException {
        return TorchNative.streamStart(checkpoint, packedPath(), selected, packed, progress);
    }

    LoadPlan plan(long checkpoint, TensorTable table) throws IOException {
        byte[] plan = NativeLoader.tryTorch()
                ? TorchNative.plan(checkpoint, packedPath(), selected, packed)
                : FormatNative.plan(checkpoint, packedPath(), selected, packed);
        PackReader in = new PackReader(plan);
        long bytesRead = in.i64();
        Map<String, Device> devices = new LinkedHashMap<>();
        for (int n = in.i32(); n > 0; n--) {
            devices.put(in.string(), Device.parse(in.string()));
        }
        Map<Device, Long> bytes = new LinkedHashMap<>();
        for (int n = in.i32(); n > 0; n--) {
            bytes.put(Device.parse(in.string()), in.i64());
        }
        List<LoadPlan.StoragePlan> storages = new ArrayList<>();
        for (int n = in.i32(); n > 0; n--) {
            int storage = in.i32();
            LoadPlan.Transfer transfer = LoadPlan.Transfer.values()[in.i32()];
            storages.add(new LoadPlan.StoragePlan(table.keyOfStorage(storage), table.locationOfStorage(storage),
                    table.bytesOfStorage(storage), Device.parse(in.string()), transfer));
        }
        return new LoadPlan(Collections.unmodifiableList(storages), Collections.unmodifiableMap(devices),
                Collections.unmodifiableMap(bytes), bytesRead);
    }
}
