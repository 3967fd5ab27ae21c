package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nothing that is in use is freed, nothing that is free is used, and nothing stays for ever. */
class OwnershipTest {
    @TempDir
    Path folder;

    private Path file(String name, int tensors, int floats) throws IOException {
        Map<String, float[]> all = new LinkedHashMap<>();
        for (int i = 0; i < tensors; i++) {
            float[] values = new float[floats];
            java.util.Arrays.fill(values, i);
            all.put("t" + i, values);
        }
        return Files.write(folder.resolve(name), HandMade.floats("cpu", all).zip());
    }

    @Test
    void tensorsOutliveTheirCheckpoint() throws IOException {
        StateDict dict;
        try (Checkpoint checkpoint = Checkpoint.open(file("a.pt", 3, 10))) {
            dict = checkpoint.stateDict();
        }
        try (dict) {
            assertEquals(2f, dict.get("t2").toFloatArray()[9]);
        }
    }

    @Test
    void useAfterCloseIsRefusedButFactsStay() throws IOException {
        StateDict dict = Checkpoint.load(file("a.pt", 2, 10));
        Tensor tensor = dict.get("t1");
        dict.close();
        dict.close();
        assertEquals(DType.FLOAT32, tensor.dtype());
        assertEquals(10, tensor.numel());
        assertEquals(2, dict.size());
        assertTrue(dict.containsKey("t1"));
        assertThrows(IllegalStateException.class, () -> dict.get("t1"));
        assertThrows(IllegalStateException.class, () -> dict.entrySet().iterator());
        assertThrows(IllegalStateException.class, tensor::asByteBuffer);
        assertThrows(IllegalStateException.class, tensor::toFloatArray);
        assertThrows(IllegalStateException.class, () -> tensor.digest("SHA-256"));
        assertThrows(IllegalStateException.class, () -> tensor.cast(DType.FLOAT64));
        assertThrows(IllegalStateException.class, () -> dict.subset(key -> true));
        assertThrows(IllegalStateException.class, dict::bytesByDevice);
        assertThrows(IllegalStateException.class, () -> StateDict.of(Map.of("x", tensor)));
    }

    @Test
    void derivedDictsLiveOnTheirOwn() throws IOException {
        StateDict dict = Checkpoint.load(file("a.pt", 2, 10));
        StateDict part = dict.subset(key -> key.equals("t1"));
        Tensor cast = dict.get("t1").cast(DType.FLOAT64);
        dict.close();
        assertEquals(1f, part.get("t1").toFloatArray()[0]);
        assertEquals(1.0, cast.toDoubleArray()[0]);
        part.close();
        cast.close();
        assertThrows(IllegalStateException.class, cast::toDoubleArray);
    }

    @Test
    void closingAViewDoesNothing() throws IOException {
        try (StateDict dict = Checkpoint.load(file("a.pt", 2, 10))) {
            dict.get("t0").close();
            assertEquals(0f, dict.get("t0").toFloatArray()[0]);
        }
    }

    @Test
    void buffersKeepTheirMemoryAndGiveItBack() throws Exception {
        Path path = file("pinned.pt", 2, 5000);
        FloatBuffer derived = derivedView(path);
        for (int i = 0; i < 10; i++) {
            System.gc();
            Thread.sleep(20);
        }
        assertTrue(Fixtures.maps().contains("pinned.pt"));
        assertEquals(1f, derived.get(4998));
        derived = null;
        assertTrue(Fixtures.collectUntil(() -> !mapped("pinned.pt")), "the mapping was never given back");
    }

    /** A typed slice of a duplicate: what keeps the memory is three objects away. */
    private static FloatBuffer derivedView(Path path) throws IOException {
        try (StateDict dict = Checkpoint.load(path)) {
            ByteBuffer bytes = dict.get("t1").asByteBuffer();
            return bytes.duplicate().order(bytes.order()).slice(4, 19996).order(bytes.order()).asFloatBuffer();
        }
    }

    @Test
    void rawBytesKeepTheMappingToo() throws Exception {
        Path path = file("raw.pt", 1, 5000);
        ByteBuffer bytes;
        try (Checkpoint checkpoint = Checkpoint.open(path)) {
            bytes = checkpoint.bytes(checkpoint.tensors().get(0)).slice(0, 8);
        }
        System.gc();
        Thread.sleep(50);
        System.gc();
        assertEquals(0f, bytes.getFloat(4));
        bytes = null;
        assertTrue(Fixtures.collectUntil(() -> !mapped("raw.pt")), "the mapping was never given back");
    }

    @Test
    void closingGivesTheMappingBackAtOnce() throws IOException {
        try (StateDict dict = Checkpoint.load(file("closed.pt", 1, 5000))) {
            assertEquals(0f, dict.get("t0").toFloatArray()[7]);
            assertTrue(mapped("closed.pt"));
        }
        assertFalse(mapped("closed.pt"));
    }

    @Test
    void aTensorKeepsItsOwnerReachable() throws Exception {
        Tensor tensor = forgottenOwner(file("kept.pt", 2, 5000));
        for (int i = 0; i < 10; i++) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(1f, tensor.toFloatArray()[4999]);
    }

    private static Tensor forgottenOwner(Path path) throws IOException {
        return Checkpoint.load(path).get("t1");
    }

    @Test
    void standaloneTensorsAreCollected() throws Exception {
        Path path = file("collected.pt", 1, 5000);
        Tensor alone;
        try (StateDict dict = Checkpoint.load(path)) {
            alone = Tensors.alone(dict.index().use(pointer -> TorchNative.contiguous(pointer, 0)));
        }
        assertTrue(mapped("collected.pt"));
        assertEquals(0f, alone.toFloatArray()[0]);
        alone = null;
        assertTrue(Fixtures.collectUntil(() -> !mapped("collected.pt")));
    }

    private static boolean mapped(String name) {
        try {
            return Fixtures.maps().contains(name);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void writingChangesTheTensorAndNeverTheFile() throws IOException {
        Path path = file("written.pt", 1, 10);
        byte[] before = Files.readAllBytes(path);
        try (StateDict dict = Checkpoint.load(path); StateDict shared = dict.renamed(key -> "again")) {
            dict.get("t0").asByteBuffer().putFloat(0, 42f);
            assertEquals(42f, dict.get("t0").toFloatArray()[0]);
            assertEquals(42f, shared.get("again").toFloatArray()[0]);
        }
        assertEquals(java.util.Arrays.hashCode(before), java.util.Arrays.hashCode(Files.readAllBytes(path)));
    }

    @Test
    void twoLoadsOfOneCheckpointDoNotSeeEachOthersWrites() throws IOException {
        for (boolean mmap : new boolean[] {true, false}) {
            LoadOptions options = LoadOptions.defaults().mmap(mmap);
            try (Checkpoint checkpoint = Checkpoint.open(file("twice.pt", 2, 5000));
                    StateDict first = checkpoint.stateDict(options); StateDict second = checkpoint.stateDict(options)) {
                first.get("t1").asByteBuffer().putFloat(0, 42f);
                assertEquals(42f, first.get("t1").toFloatArray()[0]);
                assertEquals(1f, second.get("t1").toFloatArray()[0]);
                assertEquals(1f, checkpoint.bytes(checkpoint.tensors().get(1)).getFloat(0));
                try (StateDict third = checkpoint.stateDict(options)) {
                    assertEquals(1f, third.get("t1").toFloatArray()[0]);
                }
            }
        }
    }

    @Test
    void memoryOfTheCallersIsNotWrittenTo() throws IOException {
        byte[] bytes = Files.readAllBytes(file("borrowed.pt", 1, 10));
        ByteBuffer memory = HandMade.direct(bytes);
        try (Checkpoint checkpoint = Checkpoint.open(memory)) {
            for (boolean mmap : new boolean[] {true, false}) {
                try (StateDict dict = checkpoint.stateDict(LoadOptions.defaults().mmap(mmap))) {
                    dict.get("t0").asByteBuffer().putFloat(0, 42f);
                    assertEquals(42f, dict.get("t0").toFloatArray()[0]);
                    assertEquals(bytes.length, dict.report().bytesMapped() + bytes.length);
                }
            }
        }
        assertEquals(ByteBuffer.wrap(bytes), memory);
    }

    @Test
    void closingWhileOthersWorkNeverCrashes() throws Exception {
        Path path = file("stress.pt", 20, 3000);
        for (int round = 0; round < 50; round++) {
            AtomicBoolean stop = new AtomicBoolean();
            Checkpoint checkpoint = Checkpoint.open(path);
            StateDict dict = checkpoint.stateDict();
            AtomicReference<Throwable> wrong = new AtomicReference<>();
            List<Thread> workers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int number = i;
                workers.add(new Thread(() -> {
                    try {
                        work(number, checkpoint, dict, stop);
                    } catch (IllegalStateException closed) {
                        return;
                    } catch (Throwable e) {
                        wrong.set(e);
                    }
                }));
            }
            workers.forEach(Thread::start);
            closeWhenFree(dict, stop);
            closeWhenFree(checkpoint, stop);
            for (Thread worker : workers) {
                worker.join();
            }
            assertEquals(null, wrong.get());
        }
    }

    private static void work(int number, Checkpoint checkpoint, StateDict dict, AtomicBoolean stop)
            throws IOException {
        List<TensorInfo> infos = checkpoint.tensors();
        for (int i = 0; !stop.get(); i = (i + 1) % infos.size()) {
            if (number % 2 == 0) {
                checkpoint.digest(infos.get(i), "SHA-256");
                checkpoint.root();
            } else {
                assertEquals(i, dict.get("t" + i).toFloatArray()[17]);
                dict.get("t" + i).cast(DType.FLOAT64).close();
            }
        }
    }

    /** Tries while the owner is in use, then has the others stop. */
    private static void closeWhenFree(AutoCloseable owner, AtomicBoolean stop) throws Exception {
        for (int attempt = 0; true; attempt++) {
            try {
                owner.close();
                return;
            } catch (IllegalStateException inUse) {
                stop.set(attempt > 1_000);
            }
        }
    }

    @Test
    void manyLoadsLeaveNothingBehind() throws IOException {
        Path path = file("loop.pt", 5, 100);
        for (int i = 0; i < 300; i++) {
            Checkpoint.load(path).close();
            assertThrows(IllegalArgumentException.class, () -> {
                try (Checkpoint checkpoint = Checkpoint.open(path)) {
                    checkpoint.stateDict("nowhere");
                }
            });
        }
        assertFalse(mapped("loop.pt"));
        try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
            assertFalse(descriptors.anyMatch(descriptor -> {
                try {
                    return Files.readSymbolicLink(descriptor).endsWith("loop.pt");
                } catch (IOException e) {
                    return false;
                }
            }));
        }
    }
}
