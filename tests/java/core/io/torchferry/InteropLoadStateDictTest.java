package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** load_state_dict against real PyTorch: the same modules, state dicts, texts and values (make_state_dict_loads.py). */
class InteropLoadStateDictTest {

    @TempDir
    static Path folder;

    @TestFactory
    Stream<DynamicTest> doesAndSaysWhatPyTorchDoesAndSays() throws Exception {
        InteropPython.cases();
        Path script = Fixtures.root().resolve("tests/interop/make_state_dict_loads.py");
        Fixtures.Outcome made = InteropPython.run(
                List.of(InteropPython.python(), script.toString(), folder.toString()), folder);
        if (made.status() != 0) {
            fail(made.output());
        }
        JsonArray loads = JsonParser.parseString(Files.readString(folder.resolve("loads.json"))).getAsJsonArray();
        return StreamSupport.stream(loads.spliterator(), false).map(JsonElement::getAsJsonObject)
                .map(load -> DynamicTest.dynamicTest(load.get("name").getAsString(), () -> check(load)));
    }

    private static void check(JsonObject load) throws IOException {
        String name = load.get("name").getAsString();
        boolean strict = load.get("strict").getAsBoolean();
        boolean assign = load.get("assign").getAsBoolean();
        IncompatibleKeys keys = new IncompatibleKeys(strings(load, "missing_keys"), strings(load, "unexpected_keys"));
        try (ScriptModule module = ScriptModule.load(folder.resolve(name + ".ts"));
                StateDict weights = Checkpoint.load(folder.resolve(name + ".pth"))) {
            if (load.get("meta").getAsBoolean()) {
                module.to(Device.meta());
            }
            byte[][] before = bytes(module);
            LoadStateReport report = module.checkStateDict(weights, strict, assign);
            assertEquals(strings(load, "warnings"), report.warnings());
            if (load.get("error").isJsonNull()) {
                assertEquals("", report.message());
                assertEquals(keys, module.loadStateDict(weights, strict, assign));
                assertSameTensors(folder.resolve(name + "_after.pth"), module);
            } else {
                String text = load.get("error").getAsString();
                assertEquals(text, report.message());
                assertEquals(text, assertThrows(IncompatibleKeysException.class,
                        () -> module.loadStateDict(weights, strict, assign)).getMessage());
                assertArrayEquals(before, bytes(module));
            }
        }
    }

    private static void assertSameTensors(Path after, ScriptModule module) throws IOException {
        try (StateDict expected = Checkpoint.load(after); StateDict own = module.stateDict()) {
            assertEquals(new ArrayList<>(expected.keySet()), new ArrayList<>(own.keySet()));
            expected.forEach((key, tensor) -> {
                Tensor got = own.get(key);
                assertEquals(tensor.device(), got.device(), key);
                assertEquals(tensor.dtype(), got.dtype(), key);
                assertTrue(tensor.device().isMeta() || tensor.equalsBitwise(got), key);
            });
        }
    }

    private static byte[][] bytes(ScriptModule module) {
        try (StateDict own = module.stateDict()) {
            return own.values().stream().filter(tensor -> !tensor.device().isMeta()).map(Tensor::toByteArray)
                    .toArray(byte[][]::new);
        }
    }

    private static List<String> strings(JsonObject load, String name) {
        List<String> strings = new ArrayList<>();
        load.getAsJsonArray(name).forEach(one -> strings.add(one.getAsString()));
        return strings;
    }
}
