package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model compiled by real PyTorch with AOTInductor (make_aoti.py). */
class InteropAotiTest {
    private static final int NO_COMPILER = 3;

    @TempDir
    static Path folder;

    @BeforeAll
    static void compile() throws Exception {
        InteropPython.cases();
        Path script = Fixtures.root().resolve("tests/interop/make_aoti.py");
        Fixtures.Outcome made = InteropPython.run(
                List.of(InteropPython.python(), script.toString(), folder.toString()), folder);
        if (made.status() == NO_COMPILER && !"1".equals(System.getenv("TORCHFERRY_REQUIRE_INTEROP"))) {
            abort(made.output());
        }
        if (made.status() != 0) {
            fail(made.output());
        }
    }

    private static AotiModule net() throws IOException {
        return AotiModule.load(folder.resolve("net.pt2"));
    }

    private static void assertAnswers(String run, AotiModule module) throws IOException {
        try (StateDict recorded = Checkpoint.load(folder.resolve(run))) {
            List<Tensor> outputs = module.forwardAll(recorded.get("images"), recorded.get("scale"));
            assertEquals(2, outputs.size());
            for (int i = 0; i < 2; i++) {
                Tensor expected = recorded.get(List.of("scores", "sums").get(i));
                assertArrayEquals(expected.shape(), outputs.get(i).shape());
                float largest = 0;
                for (float value : expected.toFloatArray()) {
                    largest = Math.max(largest, Math.abs(value));
                }
                assertTrue(largest > 0.1, "answers of nothing but zeros prove nothing");
                assertArrayEquals(expected.toFloatArray(), outputs.get(i).toFloatArray(), 1e-5f * largest, run);
                outputs.get(i).close();
            }
        }
    }

    @Test
    void answersAsPyTorchDoesBeforeAndAfterOtherWeights() throws IOException {
        byte[] bytes = Files.readAllBytes(folder.resolve("net.pt2"));
        try (AotiModule module = net(); AotiModule copy = AotiModule.load(ByteBuffer.wrap(bytes), Device.cpu());
                AotiModule third = AotiModule.load(Files.newInputStream(folder.resolve("net.pt2")), Device.cpu());
                Checkpoint file = Checkpoint.open(folder.resolve("net.pth"));
                StateDict weights = file.stateDict(Device.cpu())) {
            assertAnswers("net_before.pth", module);
            module.loadStateDict(file);
            assertAnswers("net_run.pth", module);
            assertAnswers("net_before.pth", copy);
            assertTrue(copy.loadStateDict(weights, true, true).isEmpty());
            assertAnswers("net_run.pth", copy);
            assertAnswers("net_before.pth", third);
        }
    }

    @Test
    void tellsWhatItIs() throws IOException {
        try (AotiModule module = net(); StateDict own = module.stateDict(); StateDict parameters = module.parameters();
                StateDict expected = Checkpoint.load(folder.resolve("net.pth"))) {
            assertEquals("cpu", module.metadata().get("AOTI_DEVICE_KEY"));
            assertEquals("today", module.metadata().get("trained"));
            assertEquals(Device.cpu(), module.device());
            assertEquals("model", module.typeName());
            List<String> keys = new ArrayList<>(expected.keySet());
            keys.removeIf(key -> key.endsWith("num_batches_tracked"));
            assertEquals(new TreeSet<>(keys), new TreeSet<>(own.keySet()));
            own.forEach((key, tensor) -> {
                assertArrayEquals(expected.get(key).shape(), tensor.shape(), key);
                assertEquals(expected.get(key).dtype(), tensor.dtype(), key);
            });
            assertTrue(parameters.containsKey("blocks.1.bn.weight"));
            assertFalse(parameters.containsKey("blocks.1.bn.running_mean"));
        }
    }

    @Test
    void refusesWeightsInPyTorchsWordsAndStaysAsItWas() throws IOException {
        try (AotiModule module = net(); StateDict weights = Checkpoint.load(folder.resolve("net.pth"));
                Tensor wrong = Tensor.of(new float[] {1, 2}); StateDict wide = weights.cast(DType.FLOAT64)) {
            Map<String, Tensor> changed = new LinkedHashMap<>(weights);
            changed.remove("stem.bias");
            changed.put("extra", wrong);
            changed.put("fc.bias", wrong);
            String text = "Error(s) in loading state_dict for AOTICompiledModel:"
                    + "\n\tMissing key(s) in state_dict: \"stem.bias\". \n\tUnexpected key(s) in state_dict: \"extra\". "
                    + "\n\tsize mismatch for fc.bias: copying a param with shape torch.Size([2]) from checkpoint, the "
                    + "shape in current model is torch.Size([4]).";
            try (StateDict bad = StateDict.of(changed)) {
                assertEquals(text,
                        assertThrows(IncompatibleKeysException.class, () -> module.loadStateDict(bad)).getMessage());
                assertEquals(text, module.checkStateDict(bad, true, false).message());
                assertAnswers("net_before.pth", module);
            }
            String refused = assertThrows(IncompatibleKeysException.class, () -> module.loadStateDict(wide, true, true))
                    .getMessage();
            assertTrue(refused.contains("the code is compiled for Float on cpu with strides (1), and this is Double"), refused);
            assertAnswers("net_before.pth", module);
            module.loadStateDict(wide);
            assertAnswers("net_run.pth", module);
        }
    }

    @Test
    void refusesInputsThatTheCodeIsNotCompiledFor() throws IOException {
        try (AotiModule module = net(); StateDict run = Checkpoint.load(folder.resolve("net_run.pth"));
                Tensor images = run.get("images").cast(DType.FLOAT64); Tensor scale = run.get("scale").to(Device.cpu());
                Tensor few = Tensor.of(new float[] {1, 2})) {
            assertTold("unmatched dtype", () -> module.forwardAll(images, scale));
            assertTold("unmatched dim value", () -> module.forwardAll(run.get("images"), run.get("images")));
            assertTold("expected inputs vector size to be 2, but got 1", () -> module.forwardAll(scale));
            assertThrows(IllegalArgumentException.class, () -> module.forwardAll(few, few));
            assertAnswers("net_before.pth", module);
        }
    }

    private static void assertTold(String text, org.junit.jupiter.api.function.Executable call) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        assertTrue(message.contains(text), message);
    }

    @Test
    void keepsItsDeviceItsTypesAndItsMode() throws IOException {
        AotiModule module = net();
        assertSame(module, module.to(Device.cpu()).eval().train(false));
        assertThrows(UnsupportedOperationException.class, () -> module.to(Device.meta()));
        assertThrows(UnsupportedOperationException.class, () -> module.to(DType.FLOAT64));
        assertThrows(UnsupportedOperationException.class, () -> module.train(true));
        assertFalse(module.isTraining());
        StateDict own = module.stateDict();
        module.close();
        module.close();
        assertEquals(4, own.get("fc.bias").toFloatArray().length);
        own.close();
        assertThrows(IllegalStateException.class, module::stateDict);
        assertThrows(IllegalStateException.class, module::metadata);
        assertThrows(IllegalStateException.class, module::eval);
    }

    @Test
    void refusesOtherFilesDevicesAndModels() throws IOException {
        Path net = folder.resolve("net.pt2");
        List<Path> before = unpacked();
        String exported = assertThrows(UnsupportedCheckpointException.class,
                () -> AotiModule.load(folder.resolve("exported.pt2"))).getMessage();
        assertTrue(exported.contains("an exported program (torch.export.save), which only Python can run"), exported);
        assertThrows(CorruptCheckpointException.class, () -> AotiModule.load(folder.resolve("net.pth")));
        assertThrows(CheckpointException.class, () -> AotiModule.load(folder.resolve("not_there.pt2")));
        byte[] bytes = Files.readAllBytes(net);
        bytes[indexOf(bytes, "\u007fELF") + 5000] ^= 1;
        String damaged = assertThrows(CorruptCheckpointException.class,
                () -> AotiModule.load(ByteBuffer.wrap(bytes), Device.cpu())).getMessage();
        assertTrue(damaged.contains("wrapper.so"), damaged);
        assertThrows(IllegalArgumentException.class, () -> AotiModule.load(net, Device.cpu(), "other", 1));
        assertThrows(IllegalArgumentException.class, () -> AotiModule.load(net, Device.cpu(), "model", 0));
        assertThrows(DeviceUnavailableException.class, () -> AotiModule.load(net, Device.parse("cuda:99")));
        Fixtures.loadFakeDevice();
        String device = assertThrows(UnsupportedCheckpointException.class,
                () -> AotiModule.load(net, Device.parse("privateuseone:0"))).getMessage();
        assertTrue(device.contains("compiled for cpu, and cannot run on "), device);
        assertEquals(before, unpacked());
        try (AotiModule module = net()) {
            assertEquals(before.size() + 1, unpacked().size(), module::toString);
        }
        assertEquals(before, unpacked());
    }

    /** Folders that packages are unpacked to. */
    private static List<Path> unpacked() throws IOException {
        try (var all = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return all.filter(path -> path.getFileName().toString().startsWith("torchferry-")).filter(Files::isDirectory)
                    .filter(path -> holdsLibrary(path)).sorted().toList();
        }
    }

    private static boolean holdsLibrary(Path path) {
        try (var files = Files.list(path)) {
            return files.anyMatch(file -> file.toString().endsWith(".wrapper.so"));
        } catch (IOException e) {
            return false;
        }
    }

    private static int indexOf(byte[] bytes, String text) {
        return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
    }

    @Test
    void manyThreadsRunWhileWeightsChange() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(3);
        try (AotiModule module = AotiModule.load(folder.resolve("net.pt2"), Device.cpu(), "model", 2);
                StateDict before = module.stateDict(); StateDict after = Checkpoint.load(folder.resolve("net.pth"));
                StateDict run = Checkpoint.load(folder.resolve("net_run.pth"))) {
            List<Float> sums = new ArrayList<>();
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                running.add(threads.submit(() -> {
                    for (int n = 0; n < 30; n++) {
                        List<Tensor> outputs = module.forwardAll(run.get("images"), run.get("scale"));
                        synchronized (sums) {
                            sums.add(outputs.get(1).toFloatArray()[0]);
                        }
                        outputs.forEach(Tensor::close);
                    }
                    return null;
                }));
            }
            for (int n = 0; n < 20; n++) {
                module.loadStateDict(n % 2 == 0 ? after : before);
            }
            for (Future<?> one : running) {
                one.get();
            }
            float second = run.get("sums").toFloatArray()[0];
            module.loadStateDict(before);
            List<Tensor> outputs = module.forwardAll(run.get("images"), run.get("scale"));
            float first = outputs.get(1).toFloatArray()[0];
            outputs.forEach(Tensor::close);
            assertEquals(90, sums.size());
            for (float sum : sums) {
                assertTrue(Math.abs(sum - first) < 1e-3 || Math.abs(sum - second) < 1e-3, sum + " is neither " + first
                        + " nor " + second);
            }
        } finally {
            threads.shutdownNow();
        }
    }
}
