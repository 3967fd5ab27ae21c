package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;

/** Compares loaded tensors with what PyTorch loaded. */
final class LoadComparison {
    private final InteropCases.Case expected;
    private final StateDict dict;
    private final List<InteropCases.TensorCase> wanted = new ArrayList<>();
    private final List<Tensor> found = new ArrayList<>();

    private LoadComparison(InteropCases.Case expected, StateDict dict) {
        this.expected = expected;
        this.dict = dict;
    }

    /** Loads a case onto the CPU and compares. */
    static void compare(InteropCases.Case expected, LoadOptions options) throws IOException {
        try (StateDict dict = Checkpoint.load(expected.file(),
                options.mapLocation(Device.cpu()).saveIndex(expected.saveIndex()))) {
            compare(expected, dict, tensor -> Device.cpu(), tensor -> expected.accepts("unsupported"));
        }
    }

    /**
     * Compares a dict that was loaded, or moved, with a case.
     *
     * @param device where each tensor that has elements is to be
     * @param mayLack which tensors may have been left out
     */
    static void compare(InteropCases.Case expected, StateDict dict, Function<InteropCases.TensorCase, Device> device,
            Predicate<InteropCases.TensorCase> mayLack) {
        LoadComparison comparison = new LoadComparison(expected, dict);
        comparison.keys(mayLack);
        for (int i = 0; i < comparison.found.size(); i++) {
            InteropCases.TensorCase wanted = comparison.wanted.get(i);
            Tensor tensor = comparison.found.get(i);
            comparison.facts(wanted, tensor);
            Device place = wanted.sha256() == null ? Device.meta() : device.apply(wanted);
            assertEquals(place, tensor.device(), wanted.key());
            if (!place.isMeta()) {
                assertEquals(wanted.sha256(), tensor.digest("SHA-256"), wanted.key() + ": digest");
            }
        }
        IndexComparison.sharing(comparison.wanted, comparison.found, Tensor::sharesStorageWith);
        comparison.versions();
    }

    /** All tensors are there, in order. */
    private void keys(Predicate<InteropCases.TensorCase> mayLack) {
        for (InteropCases.TensorCase tensor : expected.tensors()) {
            if (dict.containsKey(tensor.key()) || !mayLack.test(tensor)) {
                wanted.add(tensor);
            }
        }
        assertEquals(wanted.stream().map(InteropCases.TensorCase::key).toList(), List.copyOf(dict.keySet()), "keys");
        found.addAll(dict.values());
    }

    private void facts(InteropCases.TensorCase wanted, Tensor tensor) {
        String key = wanted.key();
        assertEquals(wanted.dtype(), tensor.dtype().toString(), key);
        assertEquals(wanted.layout(), tensor.layout().toString(), key);
        assertEquals(wanted.requiresGrad(), tensor.requiresGrad(), key);
        assertEquals(wanted.isParameter(), dict.isParameter(key), key + ": parameter");
        assertEquals(wanted.conj() || wanted.neg(),
                tensor.owner().flag(tensor.indexInOwner(), TensorIndex.LAZY_BITS), key + ": conj or neg bit");
        if (wanted.shape() != null) {
            assertArrayEquals(wanted.shape(), tensor.shape(), key);
        }
        if (wanted.isStrided()) {
            assertArrayEquals(wanted.stride(), tensor.stride(), key);
            assertEquals(wanted.storageOffset(), tensor.storageOffset(), key);
            assertEquals(wanted.nbytes(), tensor.nbytes(), key + ": bytes");
        }
    }

    /** The versions in the _metadata of a module's state dict. */
    private void versions() {
        Optional<Map<String, Long>> metadata = Optional.empty();
        if (expected.value() == null) {
            return;
        }
        JsonObject attributes = expected.value().getAsJsonObject("attrs");
        if (attributes != null && attributes.has("_metadata")) {
            Map<String, Long> versions = new LinkedHashMap<>();
            attributes.getAsJsonObject("_metadata").getAsJsonArray("items").forEach(pair -> {
                JsonObject of = pair.getAsJsonArray().get(1).getAsJsonObject();
                of.getAsJsonArray("items").forEach(entry -> versions.put(
                        pair.getAsJsonArray().get(0).getAsJsonObject().get("v").getAsString(),
                        entry.getAsJsonArray().get(1).getAsJsonObject().get("v").getAsLong()));
            });
            metadata = Optional.of(versions);
        }
        assertEquals(metadata, dict.metadata(), "versions");
    }
}
