package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Loads with a {@code map_location} and compares devices, or the refusal, with PyTorch's. */
final class PlacementComparison {

    private PlacementComparison() {
    }

    /** One load of a case, on a machine whose only devices are the CPU and meta. */
    static void compare(InteropCases.Case expected, InteropCases.Load load) throws IOException {
        List<String> calls = new ArrayList<>();
        if (load.expect().error() != null && load.lenient() == null) {
            refusal(load.expect().error(), assertThrows(RuntimeException.class,
                    () -> devices(expected, load, calls), "PyTorch refuses: " + load.expect().error().message()));
        } else {
            Map<String, String> devices = load.expect().devices();
            if (devices == null) {
                devices = new LinkedHashMap<>();
                for (InteropCases.TensorCase tensor : expected.tensors()) {
                    devices.put(tensor.key(), load.lenient());
                }
            }
            assertEquals(devices, devices(expected, load, calls));
        }
        if (load.calls() != null) {
            calls(load, calls);
        }
    }

    /** Once for each location, in PyTorch's order; PyTorch stops at the first one that it refuses. */
    private static void calls(InteropCases.Load load, List<String> found) {
        List<String> wanted = load.calls().stream().distinct().toList();
        boolean whole = load.expect().error() == null;
        assertEquals(wanted, whole ? found : found.subList(0, Math.min(wanted.size(), found.size())),
                "locations that the function was asked for");
        assertEquals(found.stream().distinct().toList(), found);
    }

    /** The device of each tensor. */
    private static Map<String, String> devices(InteropCases.Case expected, InteropCases.Load load, List<String> calls)
            throws IOException {
        MapLocation location = mapLocation(load.mapLocation(), calls);
        Map<String, String> devices = new LinkedHashMap<>();
        try (StateDict dict = Checkpoint.load(expected.file(), location)) {
            dict.forEach((key, tensor) -> devices.put(key, tensor.device().toString()));
        }
        return devices;
    }

    private static MapLocation mapLocation(InteropCases.Form form, List<String> calls) {
        JsonElement value = form.value();
        return switch (form.form()) {
            case "none" -> MapLocation.asSaved();
            case "str", "device" -> MapLocation.to(Device.parse(value.getAsString()));
            case "dict" -> {
                Map<String, Device> devices = new HashMap<>();
                value.getAsJsonObject().asMap().forEach(
                        (from, to) -> devices.put(from, Device.parse(to.getAsString())));
                yield MapLocation.remap(devices);
            }
            case "callable" -> MapLocation.by(saved -> {
                calls.add(saved);
                return answer(value.getAsJsonObject(), saved);
            });
            default -> throw new AssertionError("these tests know no map_location of the form " + form);
        };
    }

    private static Device answer(JsonObject table, String saved) {
        JsonElement device = table.has(saved) ? table.get(saved) : table.get("*");
        return device == null || device.isJsonNull() ? null : Device.parse(device.getAsString());
    }

    private static void refusal(InteropCases.Refusal wanted, RuntimeException found) {
        Class<?> type = wanted.kind().equals("invalid_device") && found instanceof IllegalArgumentException
                ? IllegalArgumentException.class : DeviceUnavailableException.class;
        assertEquals(type, found.getClass(), () -> "for PyTorch's " + wanted + ": " + found);
        assertTrue(found.getMessage().contains(wanted.message()),
                () -> "PyTorch says: " + wanted.message() + "\nTorchferry says: " + found.getMessage());
    }
}
