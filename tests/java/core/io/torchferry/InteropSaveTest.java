package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * What PyTorch wrote, we loaded and saved, PyTorch reads again, bit by bit: with {@code torch.load}'s defaults,
 * {@code weights_only=True}, {@code mmap=True} and, where it can, with libtorch's own reader.
 */
class InteropSaveTest {
    /** Element types that libtorch's reader knows in PyTorch's spelling. */
    private static final Set<String> KNOWN_TO_LIBTORCH = Set.of("uint8", "int8", "int16", "int32", "int64", "float16",
            "float32", "float64", "bfloat16", "bool", "complex64", "complex128", "qint8", "quint8", "qint32");
    /** Files whose bytes are the same again, but for the number that tells two savings apart. */
    private static final List<String> SAME_ORDERED = List.of("nest_bare_ordered", "model_state_dict",
            "model_data_parallel_state_dict", "model_lstm_state_dict");
    private static final List<String> SAME_PLAIN = List.of("dtype_all", "dtype_float32", "dtype_float8_e4m3fn",
            "dtype_uint64", "dtype_complex128", "view_strided", "view_two_types_one_storage", "view_empty",
            "nest_bare_empty_dict", "nest_names", "nest_surrogate_name", "nest_dict_2501_tensors", "layout_quantized",
            "layout_sparse", "layout_nested", "location_cpu");

    @TestFactory
    Stream<DynamicTest> orderedDicts(@TempDir Path folder) throws Exception {
        return check(folder, SaveOptions.defaults(), 150, one -> true);
    }

    @TestFactory
    Stream<DynamicTest> plainDicts(@TempDir Path folder) throws Exception {
        return check(folder, SaveOptions.defaults().orderedDict(false).alignment(4096).checksums(false), 150,
                one -> true);
    }

    @TestFactory
    Stream<DynamicTest> parameters(@TempDir Path folder) throws Exception {
        return check(folder, SaveOptions.defaults().keepParameters(true).alignment(16), 15,
                one -> one.tensors().stream().anyMatch(tensor -> Boolean.TRUE.equals(tensor.isParameter())));
    }

    @TestFactory
    Stream<DynamicTest> compact(@TempDir Path folder) throws Exception {
        return check(folder, SaveOptions.defaults().compact(true), 60,
                one -> List.of("dtypes", "views", "layouts").contains(one.group()));
    }

    @Test
    void theBytesAreThoseOfTorchSave(@TempDir Path folder) throws Exception {
        InteropCases cases = InteropPython.cases();
        for (String name : SAME_ORDERED) {
            compareRecords(cases.named(name), folder, SaveOptions.defaults());
        }
        for (String name : SAME_PLAIN) {
            compareRecords(cases.named(name), folder, SaveOptions.defaults().orderedDict(false));
        }
    }

    private static void compareRecords(InteropCases.Case one, Path folder, SaveOptions options) throws IOException {
        Path again = folder.resolve(one.file().getFileName().toString());
        try (StateDict dict = Checkpoint.load(one.file())) {
            dict.save(again, options);
        }
        assertEquals(Files.size(one.file()), Files.size(again), one.name());
        try (ZipFile before = new ZipFile(one.file().toFile()); ZipFile after = new ZipFile(again.toFile())) {
            List<String> names = before.stream().map(ZipEntry::getName).toList();
            assertEquals(names, after.stream().map(ZipEntry::getName).toList(), one.name());
            for (String name : names.subList(0, names.size() - 1)) {
                assertArrayEquals(before.getInputStream(before.getEntry(name)).readAllBytes(),
                        after.getInputStream(after.getEntry(name)).readAllBytes(), one.name() + ": " + name);
            }
            assertTrue(names.get(names.size() - 1).endsWith("/.data/serialization_id"), names::toString);
        }
    }

    /** @param least how many cases must be among those chosen, lest none is looked at */
    private static Stream<DynamicTest> check(Path folder, SaveOptions options, int least,
            Predicate<InteropCases.Case> chosen) throws Exception {
        InteropCases cases = InteropPython.cases();
        Map<String, JsonObject> rows = SavedCheck.rows(cases);
        SavedCheck saved = new SavedCheck();
        for (InteropCases.Case one : cases.cases()) {
            if (one.refused() == null && !one.tensors().isEmpty() && chosen.test(one)) {
                save(one, rows.get(one.name()), folder, options, saved);
            }
        }
        return saved.tests(least);
    }

    /** Nothing where our loader leaves tensors out: what is not loaded cannot be saved. */
    private static void save(InteropCases.Case one, JsonObject row, Path folder, SaveOptions options, SavedCheck saved)
            throws IOException {
        Path file = folder.resolve(one.name() + ".pt");
        try (StateDict dict = Checkpoint.load(one.file(),
                LoadOptions.defaults().mapLocation(Device.cpu()).saveIndex(one.saveIndex()))) {
            if (dict.size() != one.tensors().size()) {
                return;
            }
            dict.save(file, options);
            saved.add(one.name(), file, expected(one, row, dict, options));
        } catch (UnsupportedCheckpointException e) {
            assertTrue(one.accepts("unsupported"), () -> one + ": " + e.getMessage());
        }
    }

    private static JsonObject expected(InteropCases.Case one, JsonObject row, StateDict dict, SaveOptions options) {
        JsonArray tensors = new JsonArray();
        boolean libtorch = !options.orderedDict() && !one.name().contains("surrogate");
        for (JsonElement described : row.getAsJsonArray("tensors")) {
            JsonObject tensor = described.deepCopy().getAsJsonObject();
            tensor.remove("path");
            String key = tensor.get("key").getAsString();
            Tensor loaded = dict.get(key);
            boolean kept = options.keepParameters() && dict.isParameter(key);
            tensor.addProperty("is_buffer", false);
            tensor.addProperty("is_parameter", kept);
            tensor.addProperty("requires_grad", kept && loaded.requiresGrad());
            tensor.addProperty("location", loaded.device().type());
            if (options.compact()) {
                List.of("storage_offset", "storage_nbytes", "stride", "group").forEach(tensor::remove);
            }
            if (one.name().equals("cpp_mixed")) {
                // Described by libtorch, which gives each use of a storage one of its own.
                List.of("group", "object").forEach(tensor::remove);
            }
            libtorch = libtorch && KNOWN_TO_LIBTORCH.contains(tensor.get("dtype").getAsString())
                    && loaded.layout() == Layout.STRIDED && !loaded.device().type().equals("meta");
            tensors.add(tensor);
        }
        JsonObject expected = new JsonObject();
        expected.add("tensors", tensors);
        expected.addProperty("type", options.orderedDict() ? "OrderedDict" : "dict");
        expected.addProperty("libtorch", libtorch && !one.name().equals("view_two_types_one_storage"));
        JsonObject versions = new JsonObject();
        dict.metadata().ifPresent(known -> known.forEach(versions::addProperty));
        expected.add("versions", options.orderedDict() && dict.metadata().isPresent() ? versions : null);
        return expected;
    }
}
