package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

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
                long[] nanos = peer.load(fixture("golden_zip.pt"), mmap, true, 3);
                assertEquals(3, nanos.length);
                for (long time : nanos) {
                    assertTrue(time > 1_000 && time < 60_000_000_000L, time + " ns");
                }
            }
        }
    }

    @Test
    void whatPytorchRefusesIsItsOwnMessageAndThePeerGoesOn() throws IOException {
        try (TorchPeer peer = peer()) {
            IOException refused = assertThrows(IOException.class,
                    () -> peer.load(Path.of("/not/there.pt"), false, true, 1));
            assertTrue(refused.getMessage().contains("FileNotFoundError"), refused.getMessage());
            assertThrows(IOException.class, () -> peer.load(fixture("truncated.pt"), false, true, 1));
            assertEquals(1, peer.load(fixture("golden_zip.pt"), false, true, 1).length);
        }
    }
}
