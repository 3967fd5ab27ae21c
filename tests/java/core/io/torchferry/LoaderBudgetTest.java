package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Bytes on devices: what is known before, what is counted, and that all of it comes back. */
@Timeout(120)
class LoaderBudgetTest {
    private static final Device ZERO = LoaderFiles.ZERO;
    private static final Device ONE = LoaderFiles.ONE;

    @TempDir
    Path folder;

    private long allocated;

    @BeforeEach
    void loadDevice() {
        Fixtures.loadFakeDevice();
        FakeDevice.resetStats();
        allocated = LoaderFiles.allocated(0);
    }

    @AfterEach
    void restoreDevice() {
        FakeDevice.setMemoryLimit(0, -1);
        FakeDevice.setBandwidth(0, 0);
        FakeDevice.failCopyAfter(-1);
        assertEquals(allocated, LoaderFiles.allocated(0), "bytes were left on the device");
    }

    private static void ended(LoadFuture load) {
        load.ended().toCompletableFuture().join();
    }

    private static void assertAllBack(CheckpointLoader loader) {
        assertTrue(loader.stats().bytesHeld().values().stream().allMatch(bytes -> bytes == 0),
                loader.stats().toString());
    }

    private static void until(java.util.function.BooleanSupplier happened) throws InterruptedException {
        while (!happened.getAsBoolean()) {
            Thread.sleep(2);
        }
    }

    @Test
    void bytesAreHeldUntilTheDictIsClosed() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 2, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 10_000).build()) {
            LoadFuture load = loader.load(file, LoaderFiles.to(ZERO));
            StateDict dict = load.await();
            assertEquals(Map.of(ZERO, 8000L), load.reservedBytes());
            assertEquals(8000L, loader.stats().bytesHeld().get(ZERO));
            dict.close();
            dict.close();
            assertAllBack(loader);
            ended(load);
            assertEquals(8000L, loader.stats().peakBytes().get(ZERO));
            assertEquals(8000L, loader.stats().bytesLoaded());
            assertEquals(Map.of(ZERO, 10_000L), loader.stats().budgets());
        }
    }

    @Test
    void whatIsMadeFromTheDictHoldsItsBytesToo() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 2, 1000);
        try (CheckpointLoader loader = CheckpointLoader.create()) {
            StateDict dict = loader.load(file, LoaderFiles.to(ZERO)).await();
            StateDict shared = dict.share();
            StateDict part = dict.subset(key -> key.equals("t1"));
            StateDict renamed = part.renamed(key -> "other");
            dict.close();
            part.close();
            assertThrows(IllegalStateException.class, dict::share);
            assertEquals(1f, shared.get("t1").toFloatArray()[0]);
            shared.close();
            assertEquals(1f, renamed.get("other").toFloatArray()[0]);
            assertEquals(8000L, loader.stats().bytesHeld().get(ZERO));
            renamed.close();
            assertAllBack(loader);
        }
    }

    @Test
    void aForgottenDictGivesItsBytesBack() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 4000).build()) {
            loader.load(file, LoaderFiles.to(ZERO)).await();
            LoadFuture second = loader.load(file, LoaderFiles.to(ZERO));
            assertTrue(Fixtures.collectUntil(second::isDone));
            second.await().close();
        }
    }

    @Test
    void whatDoesNotFitWaits() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).budget(ZERO, 7000).build()) {
            StateDict first = loader.load(file, LoaderFiles.to(ZERO)).await();
            LoadFuture second = loader.load(file, LoaderFiles.to(ZERO));
            until(() -> loader.stats().waitingForBudget() == 1);
            assertEquals(Map.of(ZERO, 1000L), loader.shortage());
            assertEquals(0, loader.stats().running());
            // It holds no thread: what goes elsewhere passes.
            loader.load(file, LoaderFiles.to(ONE)).await().close();
            assertFalse(second.isDone());
            first.close();
            second.await().close();
            ended(second);
            assertTrue(loader.stats().budgetNanos() > 0);
            assertEquals(4000L, loader.stats().peakBytes().get(ZERO));
            assertEquals(Map.of(), loader.shortage());
        }
    }

    @Test
    void whoWaitsHoldsNoFile() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("waiting.pt"), 1, 1000);
        Path other = LoaderFiles.write(folder.resolve("first.pt"), 1, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 4000).build()) {
            StateDict first = loader.load(other, LoaderFiles.to(ZERO)).await();
            List<LoadFuture> loads = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                loads.add(loader.load(file, LoaderFiles.to(ZERO)));
            }
            until(() -> loader.stats().waitingForBudget() == 50 && loader.stats().running() == 0);
            assertFalse(Fixtures.maps().contains("waiting.pt"));
            try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
                assertFalse(descriptors.map(fd -> {
                    try {
                        return Files.readSymbolicLink(fd).toString();
                    } catch (java.io.IOException gone) {
                        return "";
                    }
                }).anyMatch(target -> target.endsWith("waiting.pt")));
            }
            loads.forEach(load -> load.thenAccept(StateDict::close));
            first.close();
            loads.forEach(LoaderBudgetTest::ended);
            assertEquals(51, loader.stats().loaded());
            assertAllBack(loader);
        }
    }

    @Test
    void aFileThatGrewWhileItWaitedIsCountedAnew() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        Path larger = LoaderFiles.write(folder.resolve("b.pt"), 1, 1500, 7f);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 9000).build()) {
            StateDict first = loader.load(file, LoaderFiles.to(ZERO)).await();
            StateDict second = loader.load(file, LoaderFiles.to(ZERO)).await();
            LoadFuture third = loader.load(file, LoaderFiles.to(ZERO));
            until(() -> loader.stats().waitingForBudget() == 1);
            Files.move(larger, file, StandardCopyOption.REPLACE_EXISTING);
            first.close();
            // 5000 are free, 6000 are needed now.
            until(() -> Map.of(ZERO, 1000L).equals(loader.shortage()));
            assertFalse(third.isDone());
            second.close();
            try (StateDict grown = third.await()) {
                assertEquals(7f, grown.get("t0").toFloatArray()[1499]);
                assertEquals(6000L, loader.stats().bytesHeld().get(ZERO));
            }
            assertAllBack(loader);
        }
    }

    @Test
    void whatDoesNotFitFailsWhenAsked() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().failOnBudget().budget(ZERO, 7000).build()) {
            try (StateDict first = loader.load(file, LoaderFiles.to(ZERO)).await()) {
                BudgetExceededException full = assertThrows(BudgetExceededException.class,
                        () -> loader.load(file, LoaderFiles.to(ZERO)).await());
                assertEquals(3000, full.free());
                assertEquals(ZERO, full.device());
                assertEquals(1, first.size());
            }
            loader.load(file, LoaderFiles.to(ZERO)).await().close();
            assertAllBack(loader);
        }
    }

    @Test
    void whatCanNeverFitFailsAlways() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 3999).build()) {
            BudgetExceededException never = assertThrows(BudgetExceededException.class,
                    () -> loader.load(file, LoaderFiles.to(ZERO)).await());
            assertTrue(never.getMessage().contains("a.pt needs 4000 bytes"), never.getMessage());
            assertEquals(allocated, LoaderFiles.allocated(0));
        }
    }

    @Test
    void theShortageHandlerMayMakeRoom() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        for (boolean wait : new boolean[] {true, false}) {
            ConcurrentLinkedQueue<StateDict> spare = new ConcurrentLinkedQueue<>();
            CheckpointLoader.Builder builder = CheckpointLoader.builder().budget(ZERO, 5000).onShortage(missing -> {
                assertEquals(Map.of(ZERO, 3000L), missing);
                spare.remove().close();
                throw new IllegalStateException("is logged and changes nothing");
            });
            try (CheckpointLoader loader = (wait ? builder.waitForBudget() : builder.failOnBudget()).build()) {
                spare.add(loader.load(file, LoaderFiles.to(ZERO)).await());
                loader.load(file, LoaderFiles.to(ZERO)).await().close();
                assertAllBack(loader);
            }
        }
    }

    @Test
    void mappedBytesCountWhenAsked() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        LoadOptions mapped = LoaderFiles.to(Device.cpu());
        try (CheckpointLoader plain = CheckpointLoader.builder().budget(Device.cpu(), 1000).build();
                CheckpointLoader counting =
                        CheckpointLoader.builder().budget(Device.cpu(), 1000).countMapped(true).build()) {
            plain.load(file, mapped).await().close();
            assertThrows(BudgetExceededException.class, () -> plain.load(file, mapped.mmap(false)).await());
            assertThrows(BudgetExceededException.class, () -> counting.load(file, mapped).await());
            // No byte is needed on the meta device.
            counting.load(file, LoaderFiles.to(Device.meta())).await().close();
        }
    }

    @Test
    void aCastNeedsBothForAMomentAndThenLess() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 2, 1000);
        LoadOptions half = LoaderFiles.to(ZERO).cast(DType.FLOAT16);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 12_000).build();
                CheckpointLoader small = CheckpointLoader.builder().budget(ZERO, 11_999).build()) {
            LoadFuture load = loader.load(file, half);
            try (StateDict dict = load.await()) {
                assertEquals(DType.FLOAT16, dict.get("t1").dtype());
                assertEquals(4000L, loader.stats().bytesHeld().get(ZERO));
                assertEquals(Map.of(ZERO, 4000L), load.reservedBytes());
                assertEquals(12_000L, loader.stats().peakBytes().get(ZERO));
            }
            assertAllBack(loader);
            assertThrows(BudgetExceededException.class, () -> small.load(file, half).await());
        }
    }

    @Test
    void aDeviceThatRunsOutOfMemoryGivesTheBudgetBack() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 4, 1000);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 16_000).build()) {
            FakeDevice.setMemoryLimit(0, allocated + 9000);
            for (int i = 0; i < 5; i++) {
                LoadFuture load = loader.load(file, LoaderFiles.to(ZERO));
                assertThrows(DeviceOutOfMemoryException.class, load::await);
                ended(load);
                assertAllBack(loader);
                assertEquals(allocated, LoaderFiles.allocated(0));
            }
            FakeDevice.setMemoryLimit(0, -1);
            FakeDevice.failCopyAfter(0);
            LoadFuture load = loader.load(file, LoaderFiles.to(ZERO));
            assertThrows(ExecutionException.class, load::get);
            ended(load);
            assertAllBack(loader);
            loader.load(file, LoaderFiles.to(ZERO)).await().close();
        }
    }

    @Test
    void cancellingAWaiterLetsOthersPass() throws Exception {
        Path big = LoaderFiles.write(folder.resolve("big.pt"), 1, 1500);
        Path small = LoaderFiles.write(folder.resolve("small.pt"), 1, 250);
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 6000).build();
                StateDict held = loader.load(small, LoaderFiles.to(ZERO)).await()) {
            LoadFuture waiting = loader.load(big, LoaderFiles.to(ZERO));
            until(() -> loader.stats().waitingForBudget() == 1);
            LoadFuture behind = loader.load(small, LoaderFiles.to(ZERO));
            until(() -> loader.stats().waitingForBudget() == 2);
            assertEquals(1, held.size());
            waiting.cancel(true);
            behind.await().close();
            assertEquals(0, loader.stats().waitingForBudget());
        }
    }

    @Test
    void deadlinesAndCloseEndTheWaitForBytes() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1000);
        CheckpointLoader loader = CheckpointLoader.builder().budget(ZERO, 4000).build();
        try (StateDict held = loader.load(file, LoaderFiles.to(ZERO)).await()) {
            LoadRequest request = LoadRequest.of(file).withOptions(LoaderFiles.to(ZERO));
            LoadFuture late = loader.load(request.withDeadline(Duration.ofMillis(20)));
            assertThrows(TimeoutException.class, late::await);
            ended(late);
            LoadFuture forever = loader.load(request);
            until(() -> loader.stats().waitingForBudget() == 1);
            loader.close();
            assertThrows(CancellationException.class, forever::await);
            assertEquals(4000L, loader.stats().bytesHeld().get(ZERO));
            assertEquals(1, held.size());
        }
        assertAllBack(loader);
    }

    @Test
    void cancellingStopsATransferBeforeItsEnd() throws Exception {
        Path file = LoaderFiles.zeros(folder.resolve("a.safetensors"), 8, 16 << 20);
        FakeDevice.setBandwidth(0, 100L << 20);
        try (CheckpointLoader loader = CheckpointLoader.create()) {
            LoadFuture load = loader.load(file, LoaderFiles.to(ZERO).threads(1));
            until(() -> load.progress().done() > 0);
            load.cancel(true);
            ended(load);
            // The whole would be 128 MiB; what was on its way when it was cancelled is a few chunks of 16.
            assertEquals(128 << 20, load.progress().total());
            assertTrue(load.progress().done() < 96 << 20, load.progress().done() + " bytes");
            assertEquals(allocated, LoaderFiles.allocated(0));
            assertAllBack(loader);
        }
    }

    /** Loads that are cancelled, late, too large or cut short, at random moments and from several threads. */
    @Test
    void nothingIsLostHoweverLoadsEnd() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 10, 100);
        FakeDevice.setBandwidth(0, 40_000_000);
        AtomicLong outcomes = new AtomicLong();
        CheckpointLoader loader = CheckpointLoader.builder().threads(3).budget(ZERO, 9000).budget(ONE, 5000).build();
        loader.addListener(outcome -> outcomes.incrementAndGet());
        List<Thread> clients = new ArrayList<>();
        AtomicLong unexpected = new AtomicLong();
        for (int c = 0; c < 4; c++) {
            Random random = new Random(c);
            clients.add(new Thread(() -> {
                for (int i = 0; i < 100; i++) {
                    try {
                        once(loader, file, random);
                    } catch (CancellationException | TimeoutException e) {
                        continue;
                    } catch (Exception e) {
                        unexpected.incrementAndGet();
                        e.printStackTrace();
                    }
                }
            }));
        }
        clients.forEach(Thread::start);
        for (Thread client : clients) {
            client.join();
        }
        loader.close();
        assertEquals(0, unexpected.get());
        assertEquals(400, outcomes.get());
        LoaderStats stats = loader.stats();
        assertEquals(400, stats.loaded() + stats.cancelled() + stats.timedOut());
        assertNotEquals(0, stats.loaded());
        assertNotEquals(0, stats.cancelled());
        assertEquals(0, stats.queued() + stats.running() + stats.waitingForBudget());
        assertTrue(stats.peakBytes().get(ZERO) <= 9000 && stats.peakBytes().get(ONE) <= 5000, stats.toString());
        assertAllBack(loader);
    }

    private static void once(CheckpointLoader loader, Path file, Random random) throws Exception {
        LoadRequest request = LoadRequest.of(file).withOptions(LoaderFiles.to(random.nextBoolean() ? ZERO : ONE));
        int kind = random.nextInt(4);
        LoadFuture load = loader.load(
                kind == 0 ? request.withDeadline(Duration.ofNanos(random.nextInt(3_000_000))) : request);
        if (kind == 1) {
            TimeUnit.NANOSECONDS.sleep(random.nextInt(2_000_000));
            if (!load.cancel(true) && !load.isCompletedExceptionally()) {
                load.join().close();
            }
            return;
        }
        try (StateDict dict = load.await()) {
            assertEquals(10, dict.size());
        }
    }
}
