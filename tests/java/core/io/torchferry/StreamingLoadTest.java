package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tensors that are used while others are held back by the fake accelerator. */
class StreamingLoadTest {
    /** Of 2 MiB each, so that 24 of them fill three staging buffers. */
    private static final int FLOATS = 1 << 19;

    @TempDir
    Path folder;

    @BeforeEach
    void loadDevice() {
        Fixtures.loadFakeDevice();
        assertEquals(0, LoaderFiles.allocated(0));
    }

    @AfterEach
    void nothingIsLeft() {
        FakeDevice.holdCopiesAfter(-1);
        FakeDevice.failCopyAfter(-1);
        assertEquals(0, LoaderFiles.allocated(0));
        assertEquals(0, Staging.status().inUse());
    }

    private StreamingLoad start(int tensors, int floats) throws IOException {
        Path file = LoaderFiles.write(folder.resolve("streamed.pt"), tensors, floats, 1);
        return Checkpoint.startLoad(file, LoaderFiles.to(LoaderFiles.ZERO).threads(1));
    }

    /** So many bytes that copies have not all been asked for while one is held. */
    private StreamingLoad startLarge() throws IOException {
        Path file = LoaderFiles.zeros(folder.resolve("large.safetensors"), 24, 8 << 20);
        return Checkpoint.startLoad(file, LoaderFiles.to(LoaderFiles.ZERO).threads(1));
    }

    private static void expect(float value, Tensor tensor) {
        float[] values = tensor.toFloatArray();
        assertEquals(value, values[0]);
        assertEquals(value, values[values.length - 1]);
    }

    @Test
    void aFirstTensorIsUsedWhileTheOthersAreHeld() throws Exception {
        FakeDevice.holdCopiesAfter(1);
        try (StreamingLoad load = start(24, FLOATS)) {
            Tensor first = load.await("t0");
            CompletableFuture<Tensor> last = load.ready("t23");
            assertEquals(LoaderFiles.ZERO, first.device());
            assertEquals("t0", load.next().orElseThrow().getKey());
            assertFalse(last.isDone());
            assertFalse(load.isDone());
            FakeDevice.holdCopiesAfter(-1);
            expect(1, first);
            expect(24, last.get());
            try (StateDict all = load.await()) {
                assertTrue(load.isDone());
                assertEquals(24, all.size());
                for (int i = 0; i < 24; i++) {
                    expect(i + 1, all.get("t" + i));
                    assertTrue(all.get("t" + i).sharesStorageWith(load.await("t" + i)));
                }
            }
        }
    }

    @Test
    void aStreamWaitsWhileThisThreadGoesOn() throws Exception {
        FakeDevice.holdCopiesAfter(0);
        try (StreamingLoad load = start(3, FLOATS); Tensor weights = load.awaitInStream("t1")) {
            CompletableFuture<Tensor> copied = load.ready("t1");
            assertFalse(copied.isDone());
            FakeDevice.holdCopiesAfter(-1);
            expect(2, weights);
            load.await().close();
        }
    }

    @Test
    void eachTensorIsGivenOnce() throws Exception {
        for (Device device : List.of(LoaderFiles.ZERO, Device.cpu())) {
            for (boolean mmap : new boolean[] {true, false}) {
                LoadOptions options = LoaderFiles.to(device).mmap(mmap);
                try (Checkpoint file = Checkpoint.open(Fixtures.file("cuda_mixed.pt"));
                        StateDict expected = file.stateDict(Device.cpu());
                        StreamingLoad load = file.startLoad(options)) {
                    file.close();
                    Map<String, Tensor> given = new HashMap<>();
                    for (Optional<Map.Entry<String, Tensor>> next = load.next(); next.isPresent(); next = load.next()) {
                        assertEquals(null, given.put(next.get().getKey(), next.get().getValue()));
                    }
                    assertEquals(Optional.empty(), load.next());
                    assertEquals(expected.keySet(), given.keySet());
                    for (String key : expected.keySet()) {
                        assertSame(given.get(key), load.await(key));
                        assertArrayEquals(expected.get(key).toByteArray(), given.get(key).toByteArray(), key);
                    }
                }
            }
        }
    }

    @Test
    void theResultOutlivesTheLoad() throws Exception {
        StateDict all;
        Tensor handedOut;
        try (StreamingLoad load = start(4, 100)) {
            handedOut = load.await("t2");
            all = load.await();
        }
        assertThrows(IllegalStateException.class, handedOut::toFloatArray);
        expect(3, all.get("t2"));
        all.close();
    }

    @Test
    void aCancelledLoadStopsAndWhatArrivedStays() throws Exception {
        FakeDevice.holdCopiesAfter(1);
        try (StreamingLoad load = startLarge()) {
            Tensor kept = load.await("t0");
            CompletableFuture<Tensor> waited = load.ready("t23");
            load.cancel();
            FakeDevice.holdCopiesAfter(-1);
            assertThrows(CancellationException.class, () -> load.await("t23"));
            assertThrows(CancellationException.class, load::await);
            assertInstanceOf(CancellationException.class,
                    assertThrows(ExecutionException.class, waited::get).getCause());
            assertThrows(CancellationException.class, () -> load.awaitInStream("t0"));
            assertThrows(CancellationException.class, () -> {
                while (load.next().isPresent()) {
                    // What had arrived comes first.
                }
            });
            assertTrue(load.progress().done() < load.progress().total());
            assertEquals(8 << 20, kept.toByteArray().length);
            assertSame(kept, load.await("t0"));
        }
    }

    @Test
    void closingStopsALoadAndWhoeverWaits() throws Exception {
        FakeDevice.holdCopiesAfter(1);
        StreamingLoad load = startLarge();
        CompletableFuture<Tensor> last = load.ready("t23");
        CompletableFuture<Void> waiter = CompletableFuture.runAsync(() -> {
            try {
                load.await("t22");
            } catch (IOException | InterruptedException e) {
                throw new CompletionException(e);
            }
        });
        load.await("t0");
        load.cancel();
        FakeDevice.holdCopiesAfter(-1);
        load.close();
        load.close();
        load.cancel();
        assertInstanceOf(CancellationException.class, assertThrows(ExecutionException.class, last::get).getCause());
        // It may not have begun to wait before the load was closed.
        Throwable why = assertThrows(ExecutionException.class, waiter::get).getCause();
        assertTrue(why instanceof CancellationException || why instanceof IllegalStateException, why::toString);
        assertThrows(IllegalStateException.class, () -> load.await("t0"));
        assertThrows(IllegalStateException.class, load::await);
        assertThrows(IllegalStateException.class, load::next);
        assertThrows(IllegalStateException.class, () -> load.awaitInStream("t0"));
    }

    @Test
    void aFailedCopyIsEveryonesError() throws Exception {
        for (int copies = 0; copies < 3; copies++) {
            FakeDevice.failCopyAfter(copies);
            try (StreamingLoad load = start(24, FLOATS)) {
                CompletableFuture<Tensor> last = load.ready("t23");
                assertThrows(DeviceUnavailableException.class, load::await);
                assertThrows(DeviceUnavailableException.class, () -> load.awaitInStream("t0"));
                assertThrows(DeviceUnavailableException.class, () -> {
                    while (load.next().isPresent()) {
                        // What had arrived comes first.
                    }
                });
                if (copies == 0) {
                    assertThrows(DeviceUnavailableException.class, () -> load.await("t0"));
                    assertInstanceOf(DeviceUnavailableException.class,
                            assertThrows(ExecutionException.class, last::get).getCause());
                    assertEquals(0, LoaderFiles.allocated(0));
                }
            }
            assertEquals(0, LoaderFiles.allocated(0));
        }
    }

    @Test
    void aFileThatCannotBeReadIsTheTypedError() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("cut.pt"), 3, 100_000, 1);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            LoaderFiles.write(file, 1, 10);
            LoadOptions options = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false);
            try (StreamingLoad load = checkpoint.startLoad(options)) {
                assertThrows(CheckpointException.class, () -> load.await("t2"));
                assertThrows(CheckpointException.class, load::await);
            }
        }
    }

    @Test
    void namesThatItHasNotAreRefusedAtOnce() throws Exception {
        FakeDevice.holdCopiesAfter(0);
        try (StreamingLoad load = start(2, 10)) {
            assertThrows(IllegalArgumentException.class, () -> load.await("t2"));
            assertThrows(IllegalArgumentException.class, () -> load.ready(""));
            assertThrows(IllegalArgumentException.class, () -> load.awaitInStream("t2"));
            FakeDevice.holdCopiesAfter(-1);
        }
        assertThrows(IllegalArgumentException.class,
                () -> Checkpoint.startLoad(Fixtures.file("views.pt"), LoadOptions.defaults(), "no", "such", "place"));
        assertThrows(DeviceUnavailableException.class, () -> Checkpoint.startLoad(Fixtures.file("views.pt"),
                LoaderFiles.to(new Device("privateuseone", 5))));
    }

    @Test
    void whatTheLoadLeavesOutIsToldToWhoAsks() throws Exception {
        LoadOptions options = LoaderFiles.to(Device.meta());
        Path mixed = folder.resolve("mixed.pt");
        try (StateDict quantized = Checkpoint.load(Fixtures.file("quantized.pt"));
                StateDict both = StateDict.of(Map.of("q", quantized.get("qint8"), "w", Tensor.scalar(1f)))) {
            both.save(mixed);
        }
        try (Checkpoint file = Checkpoint.open(mixed); StateDict direct = file.stateDict(options);
                StreamingLoad load = file.startLoad(options)) {
            List<LoadReport.Skipped> skipped = direct.report().skipped();
            assertFalse(skipped.isEmpty());
            for (LoadReport.Skipped one : skipped) {
                UnsupportedCheckpointException refused =
                        assertThrows(UnsupportedCheckpointException.class, () -> load.await(one.key()));
                assertTrue(refused.getMessage().contains(one.reason()), refused.getMessage());
            }
        }
    }

    @Test
    void listenersAndProgressFollowIt() throws Exception {
        List<Long> heard = new ArrayList<>();
        Progress progress = new Progress();
        LoadOptions options = LoadOptions.defaults().mmap(false).progress(progress).progress((done, total) ->
                heard.add(done));
        try (StreamingLoad load = Checkpoint.startLoad(Fixtures.file("views.pt"), options)) {
            load.await().close();
            assertSame(progress, load.progress());
            assertEquals(progress.total(), progress.done());
            assertEquals(progress.total(), heard.get(heard.size() - 1));
            assertTrue(load.toString().contains("loaded"), load::toString);
        }
        LoadOptions failing = LoadOptions.defaults().progress((done, total) -> {
            throw new ArithmeticException();
        });
        try (StreamingLoad load = Checkpoint.startLoad(Fixtures.file("views.pt"), failing)) {
            assertThrows(ArithmeticException.class, load::await);
        }
    }

    @Test
    void anInterruptedWaiterLeavesTheLoadAlone() throws Exception {
        FakeDevice.holdCopiesAfter(0);
        try (StreamingLoad load = start(2, 10)) {
            Thread.currentThread().interrupt();
            assertThrows(InterruptedException.class, () -> load.await("t0"));
            Thread.currentThread().interrupt();
            assertThrows(InterruptedException.class, load::await);
            FakeDevice.holdCopiesAfter(-1);
            expect(1, load.await("t0"));
        }
    }

    @Test
    void aStageCannotCloseTheLoad() throws Exception {
        FakeDevice.holdCopiesAfter(0);
        try (StreamingLoad load = start(2, 10)) {
            CompletableFuture<Void> closing = load.ready("t0").thenRun(load::close);
            FakeDevice.holdCopiesAfter(-1);
            assertInstanceOf(IllegalStateException.class,
                    assertThrows(ExecutionException.class, closing::get).getCause());
        }
    }
}
