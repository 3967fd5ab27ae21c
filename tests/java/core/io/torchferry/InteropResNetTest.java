package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The built-in ResNets against torchvision's (make_resnets.py): names, shapes, and answers on real tensors. */
class InteropResNetTest {
    private static final String FOUND = "import importlib.util as u, sys; sys.exit(u.find_spec('torchvision') is None)";

    @TempDir
    static Path folder;

    @BeforeAll
    static void askTorchvision() throws Exception {
        InteropPython.cases();
        String python = InteropPython.python();
        if (InteropPython.run(List.of(python, "-c", FOUND), null).status() != 0) {
            String missing = python + " has PyTorch but no torchvision";
            if ("1".equals(System.getenv("TORCHFERRY_REQUIRE_INTEROP"))) {
                fail("TORCHFERRY_REQUIRE_INTEROP is 1, but " + missing);
            }
            abort(missing);
        }
        Path script = Fixtures.root().resolve("tests/interop/make_resnets.py");
        Fixtures.Outcome made = InteropPython.run(List.of(python, script.toString(), folder.toString()), folder);
        if (made.status() != 0) {
            fail(made.output());
        }
    }

    @Test
    void haveTorchvisionsNamesShapesAndTypes() throws IOException {
        JsonObject lists = JsonParser.parseString(Files.readString(folder.resolve("resnets.json"))).getAsJsonObject();
        assertEquals(5, lists.size());
        for (String name : lists.keySet()) {
            JsonArray own = new JsonArray();
            try (NativeModule module = NativeModule.create(name, Map.of(), Device.meta());
                    StateDict dict = module.stateDict()) {
                dict.forEach((key, tensor) -> {
                    JsonArray shape = new JsonArray();
                    for (long size : tensor.shape()) {
                        shape.add(size);
                    }
                    JsonArray row = new JsonArray();
                    row.add(key);
                    row.add(shape);
                    row.add(tensor.dtype().torchName());
                    own.add(row);
                });
            }
            assertEquals(lists.get(name).toString(), own.toString(), name);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"resnet18", "resnet50"})
    void answerAsTorchvisionsDo(String name) throws IOException {
        List<Device> devices = new ArrayList<>(List.of(Device.cpu()));
        Fixtures.loadFakeDevice();
        devices.add(Device.parse("privateuseone:0"));
        try (Checkpoint file = Checkpoint.open(folder.resolve(name + ".pth"));
                StateDict run = Checkpoint.load(folder.resolve(name + "_run.pth"))) {
            float[] expected = run.get("output").toFloatArray();
            float largest = 0;
            for (float value : expected) {
                largest = Math.max(largest, Math.abs(value));
            }
            assertTrue(largest > 0.1, "answers of nothing but zeros prove nothing");
            for (Device device : devices) {
                try (NativeModule module = NativeModule.create(name, Map.of("init", false), device)) {
                    module.eval().loadStateDict(file);
                    try (Tensor images = run.get("input").to(device); Tensor output = module.forward(images)) {
                        assertArrayEquals(expected, output.toFloatArray(), 1e-5f * largest, name + " on " + device);
                    }
                }
            }
        }
    }
}
