package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Options that change where the bytes of CPU tensors are, never what they are. */
class LoadOptionsTest {
    private static final LoadOptions CPU = LoadOptions.defaults().mapLocation(Device.cpu());

    /** Three megabytes, enough for a block of memory. */
    private static Path write(Path folder) throws IOException {
        float[] values = new float[3 << 18];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        try (Tensor big = Tensor.of(values, 3, 1 << 18); Tensor small = Tensor.of(new float[] {7, 8}, 2);
                StateDict dict = StateDict.of(Map.of("big", big, "small", small))) {
            dict.save(folder.resolve("a.pt"));
            return folder.resolve("a.pt");
        }
    }

    private static void same(StateDict expected, StateDict loaded) {
        assertEquals(expected.keySet(), loaded.keySet());
        expected.forEach((key, tensor) ->
                assertArrayEquals(tensor.toFloatArray(), loaded.get(key).toFloatArray(), key));
    }

    @Test
    void prefetchedTensorsAreTheSame(@TempDir Path folder) throws IOException {
        Path file = write(folder);
        try (StateDict plain = Checkpoint.load(file, CPU)) {
            for (Prefetch how : Prefetch.values()) {
                Progress progress = new Progress();
                try (StateDict dict = Checkpoint.load(file, CPU.prefetch(how).progress(progress))) {
                    same(plain, dict);
                    assertEquals(plain.report().bytesMapped(), dict.report().bytesMapped());
                    assertEquals(how == Prefetch.POPULATE, progress.done() >= dict.report().bytesMapped());
                }
            }
        }
        assertEquals(Prefetch.POPULATE, CPU.prefetch(Prefetch.POPULATE).prefetch());
        assertThrows(NullPointerException.class, () -> CPU.prefetch(null));
    }

    @Test
    void localFilesAreMappedWhateverIsSaidOfNetworks(@TempDir Path folder) throws IOException {
        Path file = write(folder);
        for (boolean on : new boolean[] {true, false}) {
            LoadOptions options = CPU.mmapNetworkFiles(on);
            assertEquals(on, options.mmapNetworkFiles());
            try (StateDict dict = Checkpoint.load(file, options)) {
                assertTrue(dict.report().bytesMapped() > 0);
                assertEquals(0, dict.report().bytesRead());
            }
        }
    }

    @Test
    void aCopyTakesOneBlockOrManyAndOutlivesTheOthers(@TempDir Path folder) throws IOException {
        Path file = write(folder);
        for (DeviceMemory memory : DeviceMemory.values()) {
            StateDict kept;
            try (StateDict dict = Checkpoint.load(file, CPU.mmap(false).deviceMemory(memory))) {
                assertEquals(0, dict.report().bytesMapped());
                assertEquals((3 << 20) + 8, dict.report().bytesRead());
                kept = dict.subset(key -> key.equals("small"));
            }
            assertFalse(Fixtures.maps().contains(file.toString()));
            try (kept) {
                assertArrayEquals(new float[] {7, 8}, kept.get("small").toFloatArray());
            }
        }
    }
}
