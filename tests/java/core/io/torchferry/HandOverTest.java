package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** State dicts into C++ code of a host application and back (tests/native/host_library). */
class HandOverTest {

    private static native long doubled(long handle);

    private static native void giveUp(long handle);

    @BeforeAll
    static void loadTheHost() {
        NativeLoader.torch();
        System.load(Path.of(System.getProperty("torchferry.testModules"), "libtorchferry_test_host.so").toString());
    }

    @Test
    void theHostChangesTheSameTensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("weight", Tensor.of(new float[] {1, 2}));
        tensors.put("bias", Tensor.of(new float[] {3}));
        try (StateDict dict = StateDict.of(tensors)) {
            try (StateDict back = StateDict.fromHandle(doubled(dict.toHandle()))) {
                assertEquals(List.of("host.weight", "host.bias"), new ArrayList<>(back.keySet()));
                assertArrayEquals(new float[] {2, 4}, dict.get("weight").toFloatArray());
                assertTrue(back.get("host.weight").sharesStorageWith(dict.get("weight")));
            }
            assertArrayEquals(new float[] {3}, dict.get("bias").toFloatArray());
        }
    }

    @Test
    void whatIsTakenOutlivesWhatWasShared() throws IOException {
        StateDict dict = Checkpoint.load(Fixtures.demo("model_gpu.pth"), LoadOptions.defaults().mapLocation(Device.cpu()), "model");
        Map<String, Long> versions = dict.metadata().orElseThrow();
        long handle = dict.toHandle();
        dict.close();
        try (StateDict taken = StateDict.fromHandle(handle)) {
            assertEquals(18, taken.size());
            assertEquals(versions, taken.metadata().orElseThrow());
            assertEquals(8, taken.get("conv1.bias").toFloatArray().length);
        }
    }

    @Test
    void aHandleIsGoodForOnce() {
        try (StateDict dict = StateDict.of(Map.of("x", Tensor.of(new float[] {1})))) {
            giveUp(dict.toHandle());
            assertThrows(IllegalArgumentException.class, () -> StateDict.fromHandle(0));
            assertThrows(IllegalArgumentException.class, () -> StateDict.fromHandle(12345));
            assertEquals("not a handle on a state dict", assertThrows(RuntimeException.class, () -> giveUp(0)).getMessage());
        }
        assertThrows(IllegalStateException.class, () -> {
            StateDict closed = StateDict.of(Map.of("x", Tensor.of(new float[] {1})));
            closed.close();
            closed.toHandle();
        });
    }
}
