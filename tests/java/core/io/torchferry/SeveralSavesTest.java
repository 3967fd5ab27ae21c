package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Legacy files that torch.save wrote into again and again. */
class SeveralSavesTest {
    private static final Path FILE = Fixtures.file("legacy_several_saves.pt");

    private static List<String> keys(Checkpoint file) {
        return file.tensors().stream().map(TensorInfo::key).toList();
    }

    @Test
    void eachIsReached() throws IOException {
        for (int i = 0; i < 2; i++) {
            try (Checkpoint file = Checkpoint.open(FILE, OpenOptions.DEFAULT.withSaveIndex(i))) {
                assertEquals(List.of(i == 0 ? "a" : "b"), keys(file));
                assertEquals(2, file.saveCount());
            }
        }
        try (InputStream stream = Files.newInputStream(FILE);
                StateDict second = Checkpoint.load(stream, LoadOptions.defaults().saveIndex(1))) {
            assertArrayEquals(new float[] {8, 9}, second.get("b").toFloatArray());
        }
    }

    @Test
    void whatIsNotThereIsSaid() {
        IllegalArgumentException none = assertThrows(IllegalArgumentException.class,
                () -> Checkpoint.open(FILE, OpenOptions.DEFAULT.withSaveIndex(2)));
        assertTrue(none.getMessage().contains("there is no save 2: the file holds 2"), none.getMessage());
        for (String name : List.of("golden_zip.pt", "tar.pt", "safetensors_small.safetensors", "sharded_bin.d",
                "distributed_nested.d", "torchscript.pt")) {
            IllegalArgumentException one = assertThrows(IllegalArgumentException.class,
                    () -> Checkpoint.open(Fixtures.file(name), OpenOptions.DEFAULT.withSaveIndex(1)), name);
            assertTrue(one.getMessage().contains("only files in the legacy format"), one.getMessage());
        }
        assertThrows(IllegalArgumentException.class, () -> OpenOptions.DEFAULT.withSaveIndex(-1));
    }

    @Test
    void everyOtherFormatHasOne() throws IOException {
        for (String name : List.of("golden_zip.pt", "golden_legacy.pt", "tar.pt", "safetensors_small.safetensors",
                "sharded_bin.d", "distributed_nested.d", "torchscript.pt")) {
            try (Checkpoint file = Checkpoint.open(Fixtures.file(name))) {
                assertEquals(1, file.saveCount(), name);
            }
        }
    }
}
