package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class DeviceTest {
    @Test
    void parsesWhatItPrints() {
        for (Device device : List.of(Device.cpu(), Device.meta(), Device.mps(), Device.cuda(0), Device.cuda(11))) {
            assertEquals(device, Device.parse(device.toString()));
        }
        assertEquals(new Device("cuda", -1), Device.parse("cuda"));
        assertEquals(new Device("cpu", 0), Device.parse("cpu:0"));
        assertTrue(Device.parse("cpu:0").isCpu() && Device.parse("meta").isMeta());
    }

    @Test
    void refusesWhatIsNoDeviceInTorchsWords() {
        for (String text : new String[] {"", ":", "cuda:", ":1", "cuda:-1", "cuda:01", "cuda:1:2", "cuda:x", "cu da",
            "cuda:99999999999"}) {
            IllegalArgumentException refused =
                    assertThrows(IllegalArgumentException.class, () -> Device.parse(text), text);
            assertEquals("Invalid device string: '" + text + "'", refused.getMessage());
        }
        assertThrows(IllegalArgumentException.class, () -> Device.cuda(-1));
        assertThrows(IllegalArgumentException.class, () -> new Device("cuda", -2));
    }

    @Test
    void theHostIsAlwaysThere() {
        assertTrue(Device.cpu().isAvailable() && Device.meta().isAvailable());
        assertTrue(Device.available().contains(Device.cpu()));
        assertEquals(Device.cpu(), Device.available().get(0));
        assertTrue(Device.bestAvailable().isAvailable());
        assertEquals(0, Device.count("no such type"));
        assertFalse(Device.cuda(Device.cudaCount()).isAvailable());
        assertFalse(new Device("no_such_type", 0).isAvailable());
    }

    @Test
    void diagnosticsTellWhereLibtorchIs() {
        assertTrue(Torchferry.isLibtorchAvailable());
        assertTrue(Torchferry.libtorchVersion().matches("\\d+\\.\\d+\\.\\d+.*"), Torchferry.libtorchVersion());
        assertEquals(minor(Torchferry.libtorchBuildVersion()), minor(Torchferry.libtorchVersion()));
        assertTrue(java.nio.file.Files.exists(
                Torchferry.libtorchFolder().orElseThrow().resolve(System.mapLibraryName("torch_cpu"))));
        assertTrue(Torchferry.attempts().stream().anyMatch(attempt -> attempt.endsWith("loaded")));
        assertFalse(Torchferry.version().isEmpty());
        assertTrue(Torchferry.platform().contains("-"));
    }

    private static String minor(String version) {
        return version.substring(0, version.indexOf('.', version.indexOf('.') + 1));
    }
}
