package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** C++ modules by name: the built-in ones, and those of a library (tests/native/module_library). */
class NativeModuleTest {
    private static final Map<String, Object> SMALL = Map.of("num_classes", 10, "init", false);

    private static Path library(String name) {
        return Path.of(System.getProperty("torchferry.testModules"), name + ".so");
    }

    @Test
    void knowsTheResNets() {
        assertTrue(NativeModule.names().containsAll(
                List.of("resnet101", "resnet152", "resnet18", "resnet34", "resnet50")), NativeModule.names()::toString);
        try (NativeModule module = NativeModule.create("resnet18", SMALL, Device.cpu());
                StateDict own = module.stateDict(); StateDict parameters = module.parameters()) {
            assertEquals("resnet18", module.typeName());
            assertEquals(122, own.size());
            assertEquals(62, parameters.size());
            assertArrayEquals(new long[] {10, 512}, own.get("fc.weight").shape());
            assertTrue(module.isTraining());
            assertFalse(module.eval().isTraining());
        }
    }

    @Test
    void whatIsNotThereIsTold() {
        assertTold("no module is named 'resnet19'; there are: ", () -> NativeModule.create("resnet19"));
        assertTold("resnet18 has no option 'classes'; it has: init, num_classes",
                () -> NativeModule.create("resnet18", Map.of("classes", 3), Device.meta()));
        assertTold("the option 'num_classes' must be an integer",
                () -> NativeModule.create("resnet18", Map.of("num_classes", "3"), Device.meta()));
        assertTold("must be a Boolean", () -> NativeModule.create("resnet18", Map.of("init", List.of()), Device.meta()));
        assertThrows(DeviceUnavailableException.class,
                () -> NativeModule.create("resnet18", SMALL, Device.parse("cuda:77")));
    }

    private static void assertTold(String text, org.junit.jupiter.api.function.Executable call) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        assertTrue(message.contains(text), message);
    }

    @Test
    void aModuleOnTheMetaDeviceTakesWeightsWithoutACopy(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("weights.pth");
        try (NativeModule drawn = NativeModule.create("resnet18", Map.of("num_classes", 10), Device.cpu());
                StateDict weights = drawn.eval().stateDict(); Tensor image = image()) {
            weights.save(file);
            try (NativeModule module = NativeModule.create("resnet18", Map.of("num_classes", 10), Device.meta());
                    StateDict loaded = Checkpoint.load(file)) {
                try (StateDict own = module.stateDict()) {
                    assertTrue(own.values().stream().allMatch(tensor -> tensor.device().isMeta()));
                }
                assertTrue(module.loadStateDict(loaded, true, true).isEmpty());
                try (StateDict own = module.stateDict(); Tensor expected = drawn.forward(image);
                        Tensor output = module.eval().forward(image)) {
                    assertTrue(own.get("conv1.weight").sharesStorageWith(loaded.get("conv1.weight")));
                    assertTrue(own.get("fc.bias").requiresGrad());
                    assertTrue(expected.equalsBitwise(output));
                }
            }
        }
    }

    @Test
    void loadsFromTheFileItself(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("weights.pth");
        try (NativeModule drawn = NativeModule.create("resnet18", Map.of("num_classes", 10), Device.cpu());
                NativeModule module = NativeModule.create("resnet18", SMALL, Device.cpu());
                StateDict weights = drawn.eval().stateDict(); Tensor image = image()) {
            weights.save(file);
            try (Checkpoint checkpoint = Checkpoint.open(file)) {
                module.eval().loadStateDict(checkpoint);
            }
            try (Tensor expected = drawn.forward(image); Tensor output = module.forward(image)) {
                assertTrue(expected.equalsBitwise(output));
            }
            Map<String, Tensor> changed = new LinkedHashMap<>(weights);
            changed.remove("bn1.num_batches_tracked");
            try (StateDict old = StateDict.of(changed)) {
                assertTrue(module.loadStateDict(old, true).isEmpty(), "a dict without versions may lack the counter");
            }
            changed.put("fc.weight", changed.get("fc.bias"));
            try (StateDict bad = StateDict.of(changed)) {
                assertEquals("Error(s) in loading state_dict for ResNet:\n\tsize mismatch for fc.weight: copying a param with "
                        + "shape torch.Size([10]) from checkpoint, the shape in current model is torch.Size([10, 512]).",
                        assertThrows(IncompatibleKeysException.class, () -> module.loadStateDict(bad)).getMessage());
                assertFalse(module.checkStateDict(bad, true, false).isLoadable());
            }
        }
    }

    @Test
    void movesAndCastsAndComputesOnTheFakeAccelerator() {
        Fixtures.loadFakeDevice();
        Device fake = Device.parse("privateuseone:1");
        try (NativeModule module = NativeModule.create("resnet18", Map.of("num_classes", 10), Device.cpu());
                Tensor image = image(); Tensor there = image.to(fake); Tensor expected = module.eval().forward(image)) {
            try (Tensor output = module.to(fake).forward(there); Tensor back = output.to(Device.cpu())) {
                assertEquals(fake, output.device());
                assertArrayEquals(expected.toFloatArray(), back.toFloatArray(), 1e-5f);
            }
            module.to(Device.cpu()).to(DType.FLOAT64);
            try (Tensor wide = image.cast(DType.FLOAT64); Tensor output = module.forward(wide)) {
                assertEquals(DType.FLOAT64, output.dtype());
                assertArrayEquals(expected.toFloatArray(), output.toFloatArray(), 1e-3f);
            }
            assertThrows(IllegalArgumentException.class, () -> module.to(DType.INT64));
        }
    }

    @Test
    void anApplicationsLibraryAddsItsOwn() throws IOException {
        List<String> added = List.of("test_affine", "test_min_and_max");
        assertEquals(added, NativeModule.loadLibrary(library("libtorchferry_test_modules")));
        assertEquals(added, NativeModule.loadLibrary(library("libtorchferry_test_modules")));
        try (NativeModule affine = NativeModule.create("test_affine", Map.of("size", 3, "shift", 1.5), Device.cpu());
                NativeModule extremes = NativeModule.create("test_min_and_max");
                StateDict weights = StateDict.of(Map.of("scale", Tensor.of(new float[] {1, 2, 3})));
                Tensor twos = Tensor.of(new float[] {2, 2, 2}); Tensor ramp = Tensor.of(new float[] {1, 2, 3})) {
            assertEquals(List.of("calls"), affine.loadStateDict(weights, false).missingKeys());
            assertArrayEquals(new float[] {3.5f, 5.5f, 7.5f}, affine.forward(twos).toFloatArray());
            List<Tensor> both = extremes.forwardAll(twos, ramp);
            assertArrayEquals(new float[] {1, 2, 2}, both.get(0).toFloatArray());
            assertArrayEquals(new float[] {2, 2, 3}, both.get(1).toFloatArray());
            assertThrows(IllegalStateException.class, () -> extremes.forward(twos, ramp));
            assertTold("forward takes 2 inputs, but got 1", () -> extremes.forward(twos));
        }
    }

    @Test
    void otherLibrariesAreRefused(@TempDir Path folder) throws IOException {
        String message = assertThrows(UnsupportedCheckpointException.class,
                () -> NativeModule.loadLibrary(library("libtorchferry_strange_modules"))).getMessage();
        assertTrue(message.contains("compiled for Torchferry 0.0.1 and libtorch 1.13"), message);
        assertThrows(CheckpointException.class, () -> NativeModule.loadLibrary(folder.resolve("not_there.so")));
        Path text = Files.writeString(folder.resolve("text.so"), "no library");
        assertThrows(CheckpointException.class, () -> NativeModule.loadLibrary(text));
        assertTold("registers no module", () -> NativeModule.loadLibrary(Path.of(System.getProperty("torchferry.fakeDevice"))));
    }

    @Test
    void closedModulesRefuse() {
        NativeModule module = NativeModule.create("resnet18", SMALL, Device.meta());
        module.close();
        module.close();
        assertThrows(IllegalStateException.class, module::stateDict);
        assertThrows(IllegalStateException.class, module::eval);
    }

    private static Tensor image() {
        float[] pixels = new float[3 * 32 * 32];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (i * 37 % 101) / 50f - 1;
        }
        return Tensor.of(pixels, 1, 3, 32, 32);
    }
}
