package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchPartsTest {
    @Test
    void resNet50IsTorchvisions() {
        Map<String, long[]> shapes = ResNet50.stateDict();
        assertEquals(320, shapes.size());
        long parameters = 0;
        long all = 0;
        for (Map.Entry<String, long[]> entry : shapes.entrySet()) {
            long elements = 1;
            for (long size : entry.getValue()) {
                elements *= size;
            }
            all += elements;
            boolean buffer = entry.getKey().contains("running_") || entry.getKey().contains("num_batches");
            parameters += buffer ? 0 : elements;
        }
        assertEquals(25_557_032, parameters, "the count that torchvision documents");
        assertEquals(25_610_205, all);
        assertArrayEquals(new long[] {2048, 1024, 1, 1}, shapes.get("layer4.0.downsample.0.weight"));
        assertEquals(List.of("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                "bn1.num_batches_tracked", "layer1.0.conv1.weight"), shapes.keySet().stream().limit(7).toList());
    }

    @Test
    void percentilesToThreeDigits() {
        Samples samples = new Samples();
        for (int i = 1; i <= 1000; i++) {
            samples.add(i * 1000L);
        }
        assertEquals(1000, samples.size());
        assertEquals(500_500_000, samples.total());
        assertEquals(500_000, samples.median(), 500);
        assertEquals(990_000, samples.percentile(99), 1000);
        assertEquals(1000, samples.percentile(0), 1);
        assertEquals(1_000_000, samples.percentile(100), 1000);
    }

    @Test
    void whatALoadTakesOfTheMachine() throws Exception {
        byte[][] kept = new byte[1][];
        Usage usage = Usage.of(ProcessHandle.current().pid(), () -> {
            ByteBuffer bytes = ByteBuffer.allocateDirect(64 << 20);
            while (bytes.hasRemaining()) {
                bytes.putLong(1);
            }
            kept[0] = new byte[] {bytes.get(0)};
        });
        assertTrue(usage.peakMemory() == -1 || usage.peakMemory() > 50 << 20, usage.toString());
        assertEquals(Usage.UNKNOWN, Usage.of(0, () -> {}));
    }

    @Test
    void theFilesOfAScenarioAreMadeAndRemoved(@TempDir Path folder) throws IOException {
        BenchScenario scenario = new BenchScenario("tiny", BenchScenario.Kind.SHARDS,
                Map.of("a", new long[] {1000}, "b", new long[] {2000}, "c.num_batches_tracked", new long[0]), false,
                false, false, List.of());
        assertEquals(12_008, scenario.nbytes());
        try (BenchFiles files = BenchFiles.make(scenario, folder.resolve("x"), Optional.empty())) {
            assertTrue(files.parts().size() > 1, files.parts().toString());
            assertEquals(files.parts(), files.safetensors());
            files.evict();
            try (Checkpoint file = Checkpoint.open(files.main())) {
                assertEquals(3, file.tensors().size());
            }
            assertEquals(3, files.copies(3).size());
            assertThrows(IOException.class, files::torchScript);
        }
        assertFalse(Files.exists(folder.resolve("x")));
        BenchScenario legacy = new BenchScenario("tiny", BenchScenario.Kind.LEGACY, Map.of("a", new long[] {10}), false,
                false, false, List.of());
        assertThrows(BenchFiles.NeedsPython.class,
                () -> BenchFiles.make(legacy, folder.resolve("y"), Optional.empty()));
        assertFalse(Files.exists(folder.resolve("y")));
    }

    @Test
    void aPeerThatIsNotThereIsAReasonNotAnError() {
        TorchPeer.Found found = TorchPeer.start("/nowhere/python3");
        assertFalse(found.peer().isPresent());
        assertTrue(found.reason().contains("/nowhere/python3"), found.reason());
    }
}
