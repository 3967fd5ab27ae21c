package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostMemoryTest {
    private static final LoadOptions COPY = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false);

    private final long before = HostMemory.status().limit();

    @TempDir
    Path folder;

    @BeforeEach
    void keepNothingOfOthers() {
        HostMemory.release();
    }

    @AfterEach
    void putTheLimitBack() {
        HostMemory.limit(before);
        HostMemory.release();
    }

    @Test
    void blocksServeTheNextLoad() throws IOException {
        HostMemory.limit(64 << 20);
        Path zeros = LoaderFiles.zeros(folder.resolve("zeros.safetensors"), 3, 2 << 20);
        Path ones = LoaderFiles.write(folder.resolve("ones.pt"), 3, 1 << 19, 1);
        try (StateDict dict = Checkpoint.load(ones, COPY)) {
            assertEquals(1f, dict.get("t0").toFloatArray()[0]);
            assertEquals(0, HostMemory.status().kept());
        }
        long kept = HostMemory.status().kept();
        assertTrue(kept >= 6 << 20 && kept <= 64 << 20, () -> kept + " bytes are kept");
        try (StateDict dict = Checkpoint.load(zeros, COPY)) {
            assertEquals(0, HostMemory.status().kept());
            for (byte value : dict.get("t2").toByteArray()) {
                assertEquals(0, value);
            }
        }
        HostMemory.release();
        assertEquals(0, HostMemory.status().kept());
    }

    @Test
    void nothingIsKeptWhereThatIsAskedFor() throws IOException {
        HostMemory.limit(0);
        Checkpoint.load(LoaderFiles.zeros(folder.resolve("zeros.safetensors"), 1, 4 << 20), COPY).close();
        assertEquals(new HostMemory(0, 0), HostMemory.status());
        assertThrows(IllegalArgumentException.class, () -> HostMemory.limit(-1));
    }
}
