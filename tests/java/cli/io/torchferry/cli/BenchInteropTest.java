package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.torchferry.Checkpoint;
import io.torchferry.Format;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Python side of {@code bench} with real PyTorch; TORCHFERRY_REQUIRE_INTEROP makes a missing one a failure. */
class BenchInteropTest {
    private static TorchPeer peer() {
        TorchPeer.Found found = TorchPeer.start(System.getProperty("torchferry.python"));
        assumeTrue(found.peer().isPresent() || System.getenv("TORCHFERRY_REQUIRE_INTEROP") != null, found.reason());
        return found.peer().orElseThrow(() -> new AssertionError(found.reason()));
    }

    @Test
    void pytorchLoadsAndIsTimed() throws IOException {
        try (TorchPeer peer = peer()) {
            assertTrue(peer.torchVersion().startsWith("2."), peer.torchVersion());
            for (boolean mmap : new boolean[] {false, true}) {
                long[] nanos = peer.load(fixture("golden_zip.pt"), mmap, true, "cpu", 3);
                assertEquals(3, nanos.length);
                for (long time : nanos) {
                    assertTrue(time > 1_000 && time < 60_000_000_000L, time + " ns");
                }
            }
        }
    }

    @Test
    void filesThatOnlyPytorchMakes(@TempDir Path folder) throws IOException {
        try (TorchPeer peer = peer()) {
            Path source = fixture("golden_zip.pt");
            Path legacy = folder.resolve("a.pth");
            peer.make("legacy", source, legacy);
            try (Checkpoint made = Checkpoint.open(legacy); Checkpoint given = Checkpoint.open(source)) {
                assertEquals(Format.LEGACY, made.format());
                assertEquals(given.tensors().size(), made.tensors().size());
            }
            peer.make("torchscript", source, folder.resolve("a.ts"));
            try (Checkpoint made = Checkpoint.open(folder.resolve("a.ts"))) {
                assertEquals(Format.TORCHSCRIPT, made.format());
            }
            peer.make("whole_model", source, folder.resolve("model.pt"));
            assertEquals(1, peer.load(folder.resolve("model.pt"), false, false, "cpu", 1).length);
            assertThrows(IOException.class, () -> peer.make("nothing", source, folder.resolve("b")));
        }
    }

    @Test
    void safetensorsAndThreads() throws IOException {
        try (TorchPeer peer = peer()) {
            assertEquals(2, peer.loadSafetensors(List.of(fixture("safetensors_small.safetensors")), "cpu", 2).length);
            Path file = fixture("golden_zip.pt");
            assertEquals(1, peer.loadInThreads(List.of(file, file), 3).length);
            assertThrows(IOException.class, () -> peer.loadInThreads(List.of(file, fixture("truncated.pt")), 1));
        }
    }

    @Test
    void whatPytorchRefusesIsItsOwnMessageAndThePeerGoesOn() throws IOException {
        try (TorchPeer peer = peer()) {
            IOException refused = assertThrows(IOException.class,
                    () -> peer.load(Path.of("/not/there.pt"), false, true, "cpu", 1));
            assertTrue(refused.getMessage().contains("FileNotFoundError"), refused.getMessage());
            assertThrows(IOException.class, () -> peer.load(fixture("truncated.pt"), false, true, "cpu", 1));
            assertEquals(1, peer.load(fixture("golden_zip.pt"), false, true, "cpu", 1).length);
        }
    }
}
