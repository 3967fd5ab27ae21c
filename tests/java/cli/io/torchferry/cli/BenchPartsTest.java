package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

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
    void percentilesAreNumpys() {
        Samples samples = new Samples();
        samples.add(40, 10, 30);
        samples.add(20);
        assertEquals(4, samples.size());
        assertEquals(25, samples.median());
        assertEquals(10, samples.percentile(0));
        assertEquals(40, samples.percentile(100));
        assertEquals(37, samples.percentile(90));
        for (int i = 0; i < 200; i++) {
            samples.add(1000 + i);
        }
        assertEquals(1098, samples.median());
    }

    @Test
    void aPeerThatIsNotThereIsAReasonNotAnError() {
        TorchPeer.Found found = TorchPeer.start("/nowhere/python3");
        assertFalse(found.peer().isPresent());
        assertTrue(found.reason().contains("/nowhere/python3"), found.reason());
    }
}
