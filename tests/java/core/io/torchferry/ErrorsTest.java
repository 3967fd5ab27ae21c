package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every error has its class, and tells file, record and offset. */
class ErrorsTest {

    @Test
    void missingFilesAndDirectories(@TempDir Path folder) {
        CheckpointException missing =
                assertThrows(CheckpointException.class, () -> Checkpoint.open(folder.resolve("none.pt")));
        assertSame(CheckpointException.class, missing.getClass());
        assertEquals(folder.resolve("none.pt").toString(), missing.file());
        assertEquals("", missing.record());
        assertTrue(missing.getMessage().contains("no such file"), missing.getMessage());
        CheckpointException directory = assertThrows(CheckpointException.class, () -> Checkpoint.open(folder));
        assertTrue(directory.getMessage().contains("directory"), directory.getMessage());
        assertThrows(CheckpointException.class, () -> ScriptModule.load(folder.resolve("none.ts")));
    }

    @Test
    void truncatedFiles() {
        CorruptCheckpointException corrupt = assertThrows(CorruptCheckpointException.class,
                () -> Checkpoint.open(Fixtures.file("truncated.pt")));
        assertEquals(Fixtures.file("truncated.pt").toString(), corrupt.file());
        assertTrue(corrupt.offset().isPresent(), corrupt.getMessage());
    }

    @Test
    void everyTruncationIsTyped() throws IOException {
        byte[] whole = Files.readAllBytes(Fixtures.file("golden_zip.pt"));
        for (int length = 0; length < whole.length; length++) {
            ByteBuffer part = ByteBuffer.wrap(whole, 0, length);
            assertThrows(CheckpointException.class, () -> Checkpoint.open(part).close(), "cut at " + length);
        }
    }

    @Test
    void hostilePicklesTellRecordAndOffset() {
        CorruptCheckpointException memo = assertThrows(CorruptCheckpointException.class,
                () -> Checkpoint.open(Fixtures.file("memo_missing.pt")));
        assertEquals("archive/data.pkl", memo.record());
        assertTrue(memo.offset().isPresent(), memo.getMessage());
        assertTrue(memo.getMessage().contains("record archive/data.pkl, byte " + memo.offset().getAsLong()),
                memo.getMessage());
        CorruptCheckpointException view = assertThrows(CorruptCheckpointException.class,
                () -> Checkpoint.open(Fixtures.file("view_out_of_bounds.pt")));
        assertEquals("archive/data.pkl", view.record());
    }

    @Test
    void codeToBeRunIsRefusedWithWeightsOnlyAndInertWithout() throws IOException {
        Path file = Fixtures.file("os_system.pt");
        UnsafeCheckpointException unsafe = assertThrows(UnsafeCheckpointException.class,
                () -> Checkpoint.open(file, OpenOptions.DEFAULT.withWeightsOnly(true)));
        assertTrue(unsafe.getMessage().contains("os.system"), unsafe.getMessage());
        assertThrows(UnsafeCheckpointException.class,
                () -> Checkpoint.load(file, LoadOptions.defaults().weightsOnly(true)));
        try (Checkpoint inert = Checkpoint.open(file)) {
            assertEquals(List.of("os.system"), inert.opaqueGlobals());
        }
    }

    @Test
    void whatCannotBeReadIsUnsupported() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("list_in_itself.pt"))) {
            assertThrows(UnsupportedCheckpointException.class, file::root);
        } catch (UnsupportedCheckpointException e) {
            assertEquals(Fixtures.file("list_in_itself.pt").toString(), e.file());
        }
    }

    @Test
    void limitsAreNamed() throws IOException {
        Path file = Fixtures.file("golden_zip.pt");
        OpenOptions narrow = OpenOptions.DEFAULT.withLimits(Limits.DEFAULT.withPickleBytes(100));
        LimitExceededException limit =
                assertThrows(LimitExceededException.class, () -> Checkpoint.open(file, narrow));
        assertTrue(limit.getMessage().contains("pickle_bytes"), limit.getMessage());
        assertThrows(LimitExceededException.class, () -> Checkpoint.open(file,
                OpenOptions.DEFAULT.withLimits(Limits.DEFAULT.withPickleNodes(2))));
        assertThrows(LimitExceededException.class, () -> Checkpoint.load(file,
                LoadOptions.defaults().limits(Limits.DEFAULT.withTensors(0))));
        assertThrows(LimitExceededException.class, () -> Checkpoint.open(Fixtures.file("billion_tensors.pt")));
        assertThrows(IllegalArgumentException.class, () -> Limits.DEFAULT.withTensors(-1));
    }

    /** As deep as the limit allows, and deeper, on the smallest stacks that threads of Java are given. */
    @Test
    void deepContentNeverOverflowsAStack() throws Exception {
        for (int depth : new int[] {100, 130, 990, 20_000}) {
            HandMade made = new HandMade();
            for (int i = 0; i < depth; i++) {
                made.op('}').text("k");
            }
            made.integer(1);
            for (int i = 0; i < depth; i++) {
                made.op('s');
            }
            byte[] bytes = made.zip();
            onSmallStack(() -> {
                try (Checkpoint file = Checkpoint.open(ByteBuffer.wrap(bytes))) {
                    assertTrue(depth < 1_000);
                    assertEquals(0, file.tensors().size());
                    Value at = file.root();
                    for (int i = 0; i < depth; i++) {
                        at = at.get("k");
                    }
                    assertEquals(1, at.asLong());
                    assertEquals(List.of(), file.opaqueGlobals());
                    assertTrue(file.metadata().isEmpty());
                    assertTrue(file.tensors("k", "k").isEmpty());
                    file.stateDict("k").close();
                } catch (LimitExceededException e) {
                    assertTrue(depth > 1_000 && e.getMessage().contains("depth"), e.getMessage());
                }
            });
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private static void onSmallStack(Work work) throws Exception {
        NativeLoader.torch();
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread thread = new Thread(null, () -> {
            try {
                work.run();
            } catch (Throwable e) {
                thrown.set(e);
            }
        }, "small", 200 << 10);
        thread.start();
        thread.join();
        assertEquals(null, thrown.get());
    }

    @Test
    void wrongChecksumsAreFoundWhenAskedFor() throws IOException {
        Path file = Fixtures.file("flipped_payload.pt");
        Checkpoint.load(file).close();
        CorruptCheckpointException corrupt = assertThrows(CorruptCheckpointException.class,
                () -> Checkpoint.load(file, LoadOptions.defaults().verifyChecksums(true)));
        assertEquals("archive/data/0", corrupt.record());
        assertEquals(file.toString(), corrupt.file());
    }

    @Test
    void devicesThatAreNotThere() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda0.pt"))) {
            DeviceUnavailableException asSaved =
                    assertThrows(DeviceUnavailableException.class, () -> file.stateDict());
            assertTrue(asSaved.getMessage().contains("Attempting to deserialize object on a CUDA device but "
                    + "torch.cuda.is_available() is False."), asSaved.getMessage());
            assertThrows(DeviceUnavailableException.class, () -> file.stateDict(Device.cuda(7)));
            assertThrows(DeviceUnavailableException.class, () -> file.stateDict(new Device("nothing", 0)));
            assertThrows(DeviceUnavailableException.class,
                    () -> file.stateDict(MapLocation.remap(Map.of("cuda:1", Device.cpu()))));
            assertThrows(DeviceUnavailableException.class, () -> file.plan(LoadOptions.defaults()));
        }
        try (Tensor one = Tensor.scalar(1f)) {
            assertThrows(DeviceUnavailableException.class, () -> one.to(Device.cuda(0)));
        }
        assertThrows(DeviceUnavailableException.class,
                () -> ScriptModule.load(Fixtures.demo("model.ts"), Device.cuda(0)));
    }

    @Test
    void theCallersMistakesAreArguments() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            assertThrows(IllegalArgumentException.class, () -> file.stateDict("nowhere"));
            assertThrows(NullPointerException.class, () -> file.stateDict((String) null));
        }
        assertThrows(NullPointerException.class, () -> Checkpoint.open((Path) null));
    }

    @Test
    void whatTheCallersFunctionThrowsEndsTheLoad() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("golden_zip.pt"))) {
            assertThrows(ArithmeticException.class, () -> file.stateDict(MapLocation.by(location -> {
                throw new ArithmeticException();
            })));
            assertThrows(ArithmeticException.class, () -> file.stateDict(LoadOptions.defaults().filter(key -> {
                throw new ArithmeticException();
            })));
        }
    }

    @Test
    void aStreamThatFailsKeepsItsException() {
        IOException broken = new IOException("broken");
        InputStream stream = new InputStream() {
            @Override
            public int read() throws IOException {
                throw broken;
            }
        };
        assertSame(broken, assertThrows(IOException.class, () -> Checkpoint.open(stream)));
        CheckpointException empty = assertThrows(CheckpointException.class,
                () -> Checkpoint.open(new ByteArrayInputStream(new byte[0])));
        assertEquals("<InputStream>", empty.file());
    }

    @Test
    void oneTableTurnsEveryCodeIntoItsClass() {
        List<Class<?>> checked = List.of(CorruptCheckpointException.class, UnsafeCheckpointException.class,
                UnsupportedCheckpointException.class, LimitExceededException.class, CheckpointException.class,
                DeviceUnavailableException.class, IncompatibleKeysException.class, IllegalArgumentException.class,
                DeviceOutOfMemoryException.class, CancellationException.class);
        byte[] keys = new PackWriter().names(List.of("a")).names(List.of()).bytes();
        for (int code = 0; code < checked.size(); code++) {
            assertSame(checked.get(code), make(code, true, keys).getClass());
        }
        CheckpointException full = (CheckpointException) make(0, true, keys);
        assertEquals("file", full.file());
        assertEquals("record", full.record());
        assertEquals(17, full.offset().getAsLong());
        assertEquals("whole", full.getMessage());
        assertEquals(List.of("a"), ((IncompatibleKeysException) make(6, true, keys)).keys().missingKeys());
        assertSame(UnsupportedOperationException.class, make(2, false, keys).getClass());
        UncheckedIOException unchecked = assertInstanceOf(UncheckedIOException.class, make(0, false, keys));
        assertInstanceOf(CorruptCheckpointException.class, unchecked.getCause());
        assertSame(TorchException.class, make(-1, true, keys).getClass());
        assertFalse(new CheckpointException("m", "", "", -1).offset().isPresent());
    }

    private static Throwable make(int code, boolean reads, byte[] keys) {
        return NativeErrors.make(code, Utf8.encode("whole"), Utf8.encode("message"), Utf8.encode("file"),
                Utf8.encode("record"), 17, reads, keys);
    }
}
