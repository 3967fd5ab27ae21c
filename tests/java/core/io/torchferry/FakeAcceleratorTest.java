package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What needs a second device: an accelerator that is made for tests, with memory and indices of its own. */
class FakeAcceleratorTest {
    private static final Device ZERO = new Device("privateuseone", 0);
    private static final Device ONE = new Device("privateuseone", 1);

    @BeforeEach
    void loadDevice() {
        Fixtures.loadFakeDevice();
        FakeDevice.resetStats();
    }

    @AfterEach
    void restoreDevice() {
        FakeDevice.setMemoryLimit(0, -1);
        FakeDevice.failCopyAfter(-1);
    }

    @Test
    void isFound() {
        assertEquals(2, Device.count("privateuseone"));
        assertTrue(ONE.isAvailable());
        assertFalse(new Device("privateuseone", 2).isAvailable());
        assertTrue(Device.available().contains(ONE));
    }

    @Test
    void savedLocationsAreRemappedAndSharingSurvives() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda_mixed.pt"));
                StateDict dict = file.stateDict(MapLocation.remap(Map.of("cuda:0", ONE, "cuda:1", ZERO)));
                StateDict here = file.stateDict(Device.cpu())) {
            assertEquals(ONE, dict.get("cuda0.w").device());
            assertEquals(ZERO, dict.get("cuda1.0").device());
            assertEquals(Device.cpu(), dict.get("cpu").device());
            assertTrue(dict.get("cuda0.w").sharesStorageWith(dict.get("cuda0.view")));
            for (String key : dict.keySet()) {
                assertArrayEquals(here.get(key).toByteArray(), dict.get(key).toByteArray(), key);
                assertTrue(here.get(key).equalsBitwise(dict.get(key)), key);
            }
            assertTrue(dict.bytesByDevice().keySet().containsAll(java.util.List.of(ZERO, ONE)));
            assertTrue(dict.report().bytesCopiedToDevices() > 0);
            IllegalStateException refused =
                    assertThrows(IllegalStateException.class, () -> dict.get("cuda0.w").asByteBuffer());
            assertTrue(refused.getMessage().contains("to(Device.cpu())"), refused.getMessage());
        }
    }

    @Test
    void dictsMoveThereAndBackStorageByStorage() throws IOException {
        try (StateDict here = Checkpoint.load(Fixtures.file("sharing.pt")); StateDict there = here.to(ONE);
                StateDict back = there.to(Device.cpu())) {
            assertEquals(here.get("same").sharesStorageWith(here.get("flat")),
                    there.get("same").sharesStorageWith(there.get("flat")));
            here.forEach((key, tensor) -> {
                assertEquals(ONE, there.get(key).device(), key);
                assertTrue(tensor.equalsBitwise(back.get(key)), key);
            });
        }
    }

    @Test
    void tensorsMoveThereAndBack() {
        try (Tensor here = Tensor.of(new float[] {1, 2, 3}); Tensor there = here.to(ZERO)) {
            assertEquals(ZERO, there.device());
            assertSame(there, there.to(ZERO));
            assertArrayEquals(new float[] {1, 2, 3}, there.toFloatArray());
            assertEquals(here.digest("SHA-256"), there.digest("SHA-256"));
        }
        assertThrows(DeviceUnavailableException.class,
                () -> Tensor.scalar(1f).to(new Device("privateuseone", 5)));
    }

    @Test
    void aSlabIsOneAllocationAndStoragesHaveTheirOwnOnDemand() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda0.pt"))) {
            LoadOptions options = LoadOptions.defaults().mapLocation(ONE);
            long before = FakeDevice.stat(1, "allocations");
            try (StateDict slab = file.stateDict(options)) {
                assertEquals(before + 1, FakeDevice.stat(1, "allocations"));
                assertEquals(Set.of(LoadReport.Strategy.PINNED), slab.report().strategies());
                assertTrue(slab.report().bytesPinned() >= slab.report().bytesCopiedToDevices());
            }
            try (StateDict own = file.stateDict(options.deviceMemory(DeviceMemory.PER_STORAGE))) {
                assertTrue(FakeDevice.stat(1, "allocations") > before + 2);
                assertEquals(DeviceMemory.PER_STORAGE, options.deviceMemory(DeviceMemory.PER_STORAGE).deviceMemory());
                assertFalse(own.isEmpty());
            }
        }
    }

    @Test
    void stagingStaysWithinItsLimitAndIsGivenBack() throws IOException {
        try {
            Staging.limit(20 << 20);
            Staging.release();
            assertEquals(16 << 20, Staging.status().limit());
            assertEquals(0, Staging.status().allocated());
            Checkpoint.load(Fixtures.file("cuda0.pt"), ZERO).close();
            Staging used = Staging.status();
            assertEquals(16 << 20, used.allocated());
            assertEquals(used.allocated(), used.pinned());
            assertEquals(0, used.inUse());
            assertTrue(used.peak() >= used.allocated());
            Staging.release();
            assertEquals(0, FakeDevice.stat(0, "pinned_bytes"));
        } finally {
            Staging.limit(128 << 20);
        }
        assertThrows(IllegalArgumentException.class, () -> Staging.limit(-1));
    }

    @Test
    void devicesTellTheirMemory() {
        FakeDevice.setMemoryLimit(0, 1 << 20);
        assertEquals(Optional.of(new Device.Memory(1 << 20, 1 << 20)), ZERO.memory());
        assertEquals(Optional.empty(), Device.cpu().memory());
        assertThrows(DeviceUnavailableException.class, () -> new Device("privateuseone", 5).memory());
    }

    @Test
    void closingFreesDeviceMemory() throws IOException {
        long before = FakeDevice.stat(0, "allocated_bytes");
        try (StateDict dict = Checkpoint.load(Fixtures.file("cuda0.pt"), ZERO)) {
            assertTrue(FakeDevice.stat(0, "allocated_bytes") > before);
            assertFalse(dict.isEmpty());
        }
        assertEquals(before, FakeDevice.stat(0, "allocated_bytes"));
    }

    @Test
    void memoryThatRunsOutIsTypedAndGivenBack() {
        long before = FakeDevice.stat(0, "allocated_bytes");
        FakeDevice.setMemoryLimit(0, before + 8);
        assertThrows(DeviceOutOfMemoryException.class, () -> Checkpoint.load(Fixtures.file("cuda0.pt"), ZERO));
        assertThrows(DeviceOutOfMemoryException.class, () -> Tensor.of(new float[100]).to(ZERO));
        assertEquals(before, FakeDevice.stat(0, "allocated_bytes"));
    }

    @Test
    void indicesThatAreNotThere() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda0.pt"))) {
            assertThrows(DeviceUnavailableException.class, () -> file.stateDict(new Device("privateuseone", 2)));
        }
    }

    @Test
    void modulesRunThere() throws IOException {
        try (ScriptModule module = ScriptModule.load(Fixtures.demo("model.ts"), ZERO).eval();
                StateDict weights = Checkpoint.load(Fixtures.demo("model_gpu.pth"),
                        LoadOptions.defaults().mapLocation(ZERO), "model");
                StateDict expected = Checkpoint.load(Fixtures.demo("expected.pth"), Device.cpu());
                Tensor input = expected.get("input").to(ZERO);
                Tensor output = module.loadStateDict(weights).forward(input)) {
            assertEquals(ZERO, output.device());
            assertArrayEquals(expected.get("output").toFloatArray(), output.toFloatArray(), 1e-5f);
            module.to(Device.cpu());
            try (StateDict own = module.stateDict()) {
                assertTrue(own.values().stream().allMatch(tensor -> tensor.device().isCpu()));
            }
        }
    }
}
