package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whole contents and safetensors files that we save, read by PyTorch and by the safetensors library: every value, every
 * view, every sharing, bit by bit.
 */
class InteropContentSaveTest {

    /** What PyTorch wrote, opened and saved again without being loaded. */
    @TestFactory
    Stream<DynamicTest> openedContents(@TempDir Path folder) throws Exception {
        InteropCases cases = InteropPython.cases();
        Map<String, JsonObject> rows = SavedCheck.rows(cases);
        SavedCheck saved = new SavedCheck();
        for (InteropCases.Case one : cases.cases()) {
            if (one.refused() != null || one.name().equals("cpp_mixed")) {  // described without its sharing
                continue;
            }
            Path file = folder.resolve(one.name() + ".pt");
            try (Checkpoint opened = Checkpoint.open(one.file(), one.opening())) {
                Checkpoint.save(opened.root(), file);
            } catch (UnsupportedCheckpointException objectsOrTensorsWithoutAForm) {
                continue;
            }
            saved.add(one.name(), file, expected(rows.get(one.name())));
        }
        return saved.tests(110);
    }

    private static JsonObject expected(JsonObject row) {
        JsonObject expected = new JsonObject();
        JsonArray tensors = new JsonArray();
        for (JsonElement described : row.getAsJsonArray("tensors")) {
            JsonObject tensor = described.deepCopy().getAsJsonObject();
            tensor.remove("path");
            tensor.addProperty("is_buffer", false);  // attributes of tensors are not kept
            if (row.get("format").getAsString().equals("safetensors")) {
                tensor.addProperty("location", "cpu");
            }
            tensors.add(tensor);
        }
        expected.add("tensors", tensors);
        expected.add("content", plain(row.get("content")));
        JsonElement weightsOnly = row.get("weights_only");
        expected.addProperty("weights_only", weightsOnly == null || weightsOnly.isJsonNull()
                || weightsOnly.getAsBoolean());
        return expected;
    }

    /** The value without what saving it again changes: attributes of tensors, big-endian arrays. */
    private static JsonElement plain(JsonElement value) {
        if (value == null || value.isJsonNull()) {
            return JsonNull.INSTANCE;
        }
        if (value.isJsonArray()) {
            JsonArray items = new JsonArray();
            value.getAsJsonArray().forEach(item -> items.add(plain(item)));
            return items;
        }
        if (!value.isJsonObject()) {
            return value;
        }
        JsonObject plain = new JsonObject();
        boolean tensor = "\"tensor\"".equals(String.valueOf(value.getAsJsonObject().get("t")));
        value.getAsJsonObject().entrySet().forEach(field -> {
            if (!field.getKey().equals("saved_dtype") && !(tensor && field.getKey().equals("attrs"))) {
                plain.add(field.getKey(), plain(field.getValue()));
            }
        });
        return plain;
    }

    /** Content made here. */
    @TestFactory
    Stream<DynamicTest> contentOfJava(@TempDir Path folder) throws Exception {
        InteropCases cases = InteropPython.cases();
        SavedCheck saved = new SavedCheck();
        Path file = folder.resolve("made.pt");
        try (StateDict model = Checkpoint.load(cases.named("model_state_dict").file(), Device.cpu())) {
            Checkpoint.save(Content.dict()
                    .put("model", model)
                    .put("again", model)
                    .put(7, List.of(1, 2L, 0.5, "x", true))
                    .put("none", null)
                    .put("betas", Content.tuple(0.9, 0.999))
                    .put("size", Content.size(2, 3))
                    .put("dtype", DType.FLOAT16)
                    .put("device", Device.parse("cuda:1"))
                    .put("bytes", new byte[] {0, 127, -1})
                    .put("huge", new java.math.BigInteger("-340282366920938463463374607431768211456")), file);
            JsonObject expected = new JsonObject();
            JsonArray tensors = new JsonArray();
            for (String part : List.of("model", "again")) {
                model.forEach((key, tensor) -> tensors.add(row(part + "." + key, tensor)));
            }
            expected.add("tensors", tensors);
            expected.add("content", JsonNull.INSTANCE);
            saved.add("made", file, expected);
        }
        try (Checkpoint opened = Checkpoint.open(file)) {
            assertEquals(opened.root().get("model").asDict().attributes().size(), 1);
        }
        return saved.tests(1);
    }

    private static JsonObject row(String key, Tensor tensor) {
        JsonObject row = new JsonObject();
        row.addProperty("key", key);
        row.addProperty("dtype", tensor.dtype().torchName());
        row.addProperty("sha256", tensor.digest("SHA-256"));
        JsonArray shape = new JsonArray();
        for (long size : tensor.shape()) {
            shape.add(size);
        }
        row.add("shape", shape);
        return row;
    }

    @TestFactory
    Stream<DynamicTest> safetensors(@TempDir Path folder) throws Exception {
        return safetensors(folder, SaveOptions.defaults().format(Format.SAFETENSORS), 60);
    }

    @TestFactory
    Stream<DynamicTest> safetensorsWithEveryName(@TempDir Path folder) throws Exception {
        return safetensors(folder, SaveOptions.defaults().format(Format.SAFETENSORS).repeatShared(true), 60);
    }

    private static Stream<DynamicTest> safetensors(Path folder, SaveOptions options, int least) throws Exception {
        SavedCheck saved = new SavedCheck();
        for (InteropCases.Case one : InteropPython.cases().cases()) {
            if (one.refused() != null || one.tensors().isEmpty()) {
                continue;
            }
            Path file = folder.resolve(one.name() + ".safetensors");
            try (StateDict dict = Checkpoint.load(one.file(),
                    LoadOptions.defaults().mapLocation(Device.cpu()).saveIndex(one.saveIndex()))) {
                SaveReport report = dict.save(file, options);
                saved.add(one.name(), file, expected(dict, report));
            } catch (UnsupportedCheckpointException | IllegalArgumentException noFormForIt) {
                continue;
            }
        }
        return saved.tests(least);
    }

    private static JsonObject expected(StateDict dict, SaveReport report) {
        JsonObject expected = new JsonObject();
        JsonArray tensors = new JsonArray();
        dict.forEach((key, tensor) -> {
            if (!report.repeated().containsKey(key)) {
                tensors.add(row(key, tensor));
            }
        });
        JsonObject metadata = new JsonObject();
        metadata.addProperty("format", "pt");
        report.repeated().forEach(metadata::addProperty);
        expected.add("tensors", tensors);
        expected.add("metadata", metadata);
        expected.addProperty("same_bytes", report.repeated().isEmpty());
        return expected;
    }

    @TestFactory
    Stream<DynamicTest> shards(@TempDir Path folder) throws Exception {
        InteropCases cases = InteropPython.cases();
        SavedCheck saved = new SavedCheck();
        Map<String, SaveOptions> kinds = new LinkedHashMap<>();
        kinds.put("model.safetensors", SaveOptions.defaults().format(Format.SAFETENSORS).maxShardBytes(100));
        kinds.put("pytorch_model.bin", SaveOptions.defaults().orderedDict(false).maxShardBytes(100));
        for (String name : List.of("model_state_dict", "model_lstm_state_dict")) {
            for (Map.Entry<String, SaveOptions> kind : kinds.entrySet()) {
                Path into = Files.createDirectories(folder.resolve(name + kind.getKey()));
                saved.add(name + "_" + kind.getKey(), into.resolve(kind.getKey() + ".index.json"),
                        sharded(cases.named(name).file(), into.resolve(kind.getKey()), kind.getValue()));
            }
        }
        return saved.tests(4);
    }

    private static JsonObject sharded(Path from, Path to, SaveOptions options) throws IOException {
        try (StateDict dict = Checkpoint.load(from, Device.cpu())) {
            SaveReport report = dict.save(to, options);
            assertEquals(to.resolveSibling(to.getFileName() + ".index.json"),
                    report.files().get(report.files().size() - 1));
            JsonObject expected = expected(dict, report);
            expected.remove("same_bytes");
            return expected;
        }
    }
}
