package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ScriptModuleTest {

    private static ScriptModule module() throws IOException {
        return ScriptModule.load(Fixtures.demo("model.ts"), Device.cpu());
    }

    private static StateDict weights() throws IOException {
        return Checkpoint.load(Fixtures.demo("model_gpu.pth"), LoadOptions.defaults().mapLocation(Device.cpu()),
                "model");
    }

    @Test
    void answersAsItDidInPython() throws IOException {
        try (ScriptModule module = module(); StateDict weights = weights();
                StateDict expected = Checkpoint.load(Fixtures.demo("expected.pth"), Device.cpu())) {
            assertEquals("LineNet", module.typeName());
            assertSame(module, module.loadStateDict(weights).eval());
            assertFalse(module.isTraining());
            try (Tensor output = module.forward(expected.get("input"))) {
                assertArrayEquals(expected.get("output").shape(), output.shape());
                assertArrayEquals(expected.get("output").toFloatArray(), output.toFloatArray(), 1e-5f);
                assertFalse(output.requiresGrad());
            }
            assertTrue(module.train(true).isTraining());
        }
    }

    @Test
    void everyWayToLoad() throws IOException {
        byte[] bytes = Files.readAllBytes(Fixtures.demo("model.ts"));
        try (ScriptModule one = ScriptModule.load(Fixtures.demo("model.ts"));
                ScriptModule two = ScriptModule.load(ByteBuffer.wrap(bytes), Device.cpu());
                ScriptModule three = ScriptModule.load(HandMade.direct(bytes), Device.cpu());
                ScriptModule four = ScriptModule.load(new ByteArrayInputStream(bytes), Device.cpu());
                StateDict expected = one.stateDict()) {
            for (ScriptModule module : List.of(two, three, four)) {
                try (StateDict dict = module.stateDict()) {
                    assertEquals(new ArrayList<>(expected.keySet()), new ArrayList<>(dict.keySet()));
                    expected.forEach((key, tensor) -> assertTrue(tensor.equalsBitwise(dict.get(key)), key));
                }
            }
        }
    }

    @Test
    void theStateDictIsTheModulesOwn() throws IOException {
        try (ScriptModule module = module(); StateDict weights = weights(); StateDict own = module.stateDict()) {
            assertTrue(own.isParameter("conv1.weight"));
            assertFalse(own.isParameter("norm1.running_mean"));
            module.loadStateDict(weights);
            assertTrue(own.get("conv1.weight").equalsBitwise(weights.get("conv1.weight")));
            assertFalse(own.get("conv1.weight").sharesStorageWith(weights.get("conv1.weight")));
        }
    }

    @Test
    void whatDoesNotMatchIsToldInPyTorchsWords() throws IOException {
        try (ScriptModule module = module(); StateDict weights = weights(); StateDict own = module.stateDict();
                Tensor extra = Tensor.of(new float[] {1}); Tensor wrong = Tensor.of(new float[] {1, 2})) {
            Map<String, Tensor> changed = new LinkedHashMap<>(weights);
            changed.remove("conv1.bias");
            changed.put("zz", extra);
            byte[] before = own.get("conv1.weight").toByteArray();
            try (StateDict bad = StateDict.of(changed)) {
                IncompatibleKeysException refused =
                        assertThrows(IncompatibleKeysException.class, () -> module.loadStateDict(bad));
                assertEquals("Error(s) in loading state_dict for LineNet:"
                        + "\n\tMissing key(s) in state_dict: \"conv1.bias\". "
                        + "\n\tUnexpected key(s) in state_dict: \"zz\". ", refused.getMessage());
                assertEquals(new IncompatibleKeys(List.of("conv1.bias"), List.of("zz")), refused.keys());
                assertArrayEquals(before, own.get("conv1.weight").toByteArray());
                IncompatibleKeys keys = module.loadStateDict(bad, false);
                assertEquals(refused.keys(), keys);
                assertEquals("_IncompatibleKeys(missing_keys=['conv1.bias'], unexpected_keys=['zz'])", keys.toString());
            }
            changed.put("conv1.bias", wrong);
            try (StateDict bad = StateDict.of(changed)) {
                IncompatibleKeysException refused =
                        assertThrows(IncompatibleKeysException.class, () -> module.loadStateDict(bad, false));
                assertEquals("Error(s) in loading state_dict for LineNet:\n\tsize mismatch for conv1.bias: copying a "
                        + "param with shape torch.Size([2]) from checkpoint, the shape in current model is "
                        + "torch.Size([8]).", refused.getMessage());
                assertTrue(refused.keys().isEmpty());
            }
            assertEquals("<All keys matched successfully>", module.loadStateDict(weights, true).toString());
        }
    }

    @Test
    void inputsThatDoNotFitAreToldInLibtorchsWords() throws IOException {
        try (ScriptModule module = module(); Tensor wrong = Tensor.of(new float[] {1, 2})) {
            assertThrows(IllegalArgumentException.class, () -> module.forward(wrong));
            assertThrows(IllegalArgumentException.class, () -> module.forward());
            IllegalArgumentException missing =
                    assertThrows(IllegalArgumentException.class, () -> module.runMethod("nothing", wrong));
            assertTrue(missing.getMessage().contains("forward"), missing.getMessage());
        }
    }

    @Test
    void allResultsStandAlone() throws IOException {
        List<Tensor> results;
        try (ScriptModule module = module().eval(); Tensor input = Tensor.of(new float[2 * 256], 2, 1, 16, 16)) {
            results = module.forwardAll(input);
            List<Tensor> again = module.runMethod("forward", input);
            assertTrue(results.get(0).equalsBitwise(again.get(0)));
        }
        assertEquals(1, results.size());
        assertEquals(8, results.get(0).toFloatArray().length);
        results.get(0).close();
        assertThrows(IllegalStateException.class, () -> results.get(0).toFloatArray());
    }

    @Test
    void checkpointsAreNoModules() {
        assertThrows(CheckpointException.class, () -> ScriptModule.load(Fixtures.file("golden_zip.pt")));
    }

    @Test
    void useAfterCloseIsRefused() throws IOException {
        ScriptModule module = module();
        StateDict own = module.stateDict();
        module.close();
        module.close();
        assertThrows(IllegalStateException.class, module::stateDict);
        assertThrows(IllegalStateException.class, module::eval);
        assertThrows(IllegalStateException.class, module::typeName);
        assertEquals(8, own.get("conv1.bias").toFloatArray().length);
        own.close();
    }
}
