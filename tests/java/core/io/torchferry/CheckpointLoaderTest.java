package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a loader does on the CPU; {@link LoaderBudgetTest} has the budgets. */
@Timeout(60)
class CheckpointLoaderTest {
    private static final LoadOptions CPU = LoadOptions.defaults().mapLocation(Device.cpu());

    @TempDir
    Path folder;

    private static void ended(LoadFuture load) {
        load.ended().toCompletableFuture().join();
    }

    /** Blocks a loader of one thread until the latch opens: the first call of a filter waits. */
    private LoadFuture blocking(CheckpointLoader loader, CountDownLatch started, CountDownLatch open)
            throws IOException {
        return loader.load(LoaderFiles.write(folder.resolve("blocking.pt"), 1, 1), CPU.filter(key -> {
            started.countDown();
            try {
                open.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return true;
        }));
    }

    @Test
    void loadsLikeCheckpointDoes() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 3, 10);
        try (CheckpointLoader loader = CheckpointLoader.create()) {
            LoadFuture load = loader.load(file, CPU);
            try (StateDict dict = load.await(); StateDict alone = Checkpoint.load(file, Device.cpu())) {
                assertEquals(alone.keySet(), dict.keySet());
                alone.forEach((key, tensor) -> assertTrue(tensor.equalsBitwise(dict.get(key)), key));
            }
            ended(load);
            LoaderStats stats = loader.stats();
            assertEquals(1, stats.loaded());
            assertEquals(0, stats.failed() + stats.cancelled() + stats.queued() + stats.running());
            assertTrue(stats.loadNanos() > 0);
        }
    }

    @Test
    void loadsAPlaceOfTheContent() throws Exception {
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).build();
                StateDict dict = loader.load(Fixtures.demo("model_gpu.pth"), CPU, "model").await();
                StateDict all = loader.load(Fixtures.demo("model_gpu.pth"), CPU).await()) {
            assertTrue(all.size() >= dict.size());
            assertFalse(dict.isEmpty());
        }
    }

    @Test
    void failuresAreTheCheckpoints() throws Exception {
        CheckpointLoader loader = CheckpointLoader.create();
        try (loader) {
            LoadFuture missing = loader.load(folder.resolve("missing.pt"));
            assertInstanceOf(CheckpointException.class,
                    assertThrows(CheckpointException.class, missing::await));
            assertThrows(CorruptCheckpointException.class,
                    () -> loader.load(Fixtures.file("truncated.pt")).await());
            assertThrows(IllegalArgumentException.class,
                    () -> loader.load(Fixtures.demo("model_gpu.pth"), CPU, "nowhere").await());
            assertThrows(DeviceUnavailableException.class,
                    () -> loader.load(Fixtures.demo("model_gpu.pth"), LoaderFiles.to(Device.cuda(99))).await());
        }
        assertEquals(4, loader.stats().failed());
    }

    @Test
    void noMoreThanTheThreadsRunAndInOrder() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        ConcurrentLinkedQueue<Integer> order = new ConcurrentLinkedQueue<>();
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(3).build()) {
            List<LoadFuture> loads = new ArrayList<>();
            for (int i = 0; i < 30; i++) {
                int number = i;
                loads.add(loader.load(file, CPU.filter(key -> {
                    order.add(number);
                    most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                    try {
                        Thread.sleep(5);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    inside.decrementAndGet();
                    return true;
                })));
            }
            for (LoadFuture load : loads) {
                load.await().close();
            }
            assertEquals(3, most.get());
            List<Integer> started = List.copyOf(order);
            // Two earlier loads may still be on their way to the filter; a load may also be late by any number.
            for (int i = 0; i < started.size(); i++) {
                assertTrue(started.get(i) - i < 3, started.toString());
            }
        }
    }

    @Test
    void cancelledWhileQueuedItNeverOpens() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).build()) {
            LoadFuture first = blocking(loader, started, open);
            started.await();
            LoadFuture second = loader.load(folder.resolve("missing.pt"));
            assertEquals(1, loader.stats().queued());
            assertEquals(1, loader.stats().running());
            assertTrue(second.cancel(true));
            ended(second);
            assertEquals(0, loader.stats().queued());
            open.countDown();
            first.await().close();
            ended(first);
            assertEquals(1, loader.stats().cancelled());
            assertEquals(0, loader.stats().failed());
        }
    }

    @Test
    void cancelledWhileRunningNothingIsLeft() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).build()) {
            LoadFuture load = blocking(loader, started, open);
            started.await();
            assertTrue(load.cancel(true));
            assertThrows(CancellationException.class, load::await);
            assertFalse(load.ended().toCompletableFuture().isDone());
            open.countDown();
            ended(load);
            assertFalse(Fixtures.maps().contains("blocking.pt"));
            assertTrue(loader.stats().bytesHeld().values().stream().allMatch(bytes -> bytes == 0));
        }
    }

    @Test
    void theProgressOfTheOptionsCancelsToo() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        Progress progress = new Progress();
        progress.cancel();
        try (CheckpointLoader loader = CheckpointLoader.create()) {
            LoadFuture load = loader.load(file, CPU.progress(progress));
            assertSame(progress, load.progress());
            assertThrows(CancellationException.class, load::await);
            ended(load);
            assertEquals(1, loader.stats().cancelled());
        }
    }

    @Test
    void aProgressOutlivesItsLoad() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 2, 1000);
        Progress progress = new Progress();
        try (CheckpointLoader loader = CheckpointLoader.create()) {
            loader.load(file, CPU.mmap(false).progress(progress)).await().close();
            assertEquals(8000, progress.done());
            assertThrows(CheckpointException.class,
                    () -> loader.load(folder.resolve("missing.pt"), CPU.progress(progress)).await());
            assertFalse(progress.isCancelled());
            loader.load(file, CPU.mmap(false).progress(progress)).await().close();
        }
    }

    @Test
    void listenersHearProgress() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 2, 1000);
        List<Long> heard = new ArrayList<>();
        try (CheckpointLoader loader = CheckpointLoader.create()) {
            loader.load(file, CPU.mmap(false).progress((done, total) -> heard.add(done))).await().close();
            assertEquals(8000, heard.get(heard.size() - 1));
        }
    }

    @Test
    void deadlinesEndWaitingAndRunning() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).build()) {
            LoadFuture first = blocking(loader, started, open);
            started.await();
            LoadFuture late = loader.load(LoadRequest.of(file).withDeadline(Duration.ofMillis(30)));
            TimeoutException passed = assertThrows(TimeoutException.class, late::await);
            assertTrue(passed.getMessage().contains("a.pt was not loaded within 30 ms"), passed.getMessage());
            ended(late);
            first.orTimeout(1, TimeUnit.MILLISECONDS);
            assertThrows(TimeoutException.class, first::await);
            open.countDown();
            ended(first);
            assertEquals(2, loader.stats().timedOut());
        }
    }

    @Test
    void theLoadersDeadlineIsForThoseWithoutOne() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        try (CheckpointLoader loader = CheckpointLoader.builder().deadline(Duration.ofMillis(20)).build()) {
            CountDownLatch open = new CountDownLatch(1);
            LoadFuture slow = blocking(loader, new CountDownLatch(1), open);
            assertThrows(TimeoutException.class, slow::await);
            open.countDown();
            loader.load(LoadRequest.of(file).withOptions(CPU).withDeadline(Duration.ofMinutes(1))).await().close();
        }
    }

    @Test
    void aFullQueueRejects() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).queueLimit(1).build()) {
            LoadFuture first = blocking(loader, started, open);
            started.await();
            LoadFuture second = loader.load(file, CPU);
            LoadFuture third = loader.load(file, CPU);
            assertThrows(RejectedExecutionException.class, third::await);
            ended(third);
            open.countDown();
            first.await().close();
            second.await().close();
            loader.load(file, CPU).await().close();
            assertEquals(1, loader.stats().rejected());
        }
    }

    @Test
    void closeCancelsAndWaits() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        CheckpointLoader loader = CheckpointLoader.builder().threads(1).build();
        LoadFuture running = blocking(loader, started, open);
        started.await();
        LoadFuture queued = loader.load(folder.resolve("missing.pt"));
        CompletableFuture<Void> closing = CompletableFuture.runAsync(loader::close);
        assertThrows(CancellationException.class, queued::await);
        assertThrows(CancellationException.class, running::await);
        assertFalse(closing.isDone());
        open.countDown();
        closing.join();
        assertTrue(running.ended().toCompletableFuture().isDone());
        assertThrows(IllegalStateException.class, () -> loader.load(folder.resolve("missing.pt")));
        loader.close();
    }

    @Test
    void closeLetsLoadsEndFirst() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        CheckpointLoader loader = CheckpointLoader.builder().threads(1).build();
        List<LoadFuture> loads = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            loads.add(loader.load(file, CPU));
        }
        loader.close(Duration.ofMinutes(1));
        for (LoadFuture load : loads) {
            load.getNow(null).close();
        }
        assertEquals(20, loader.stats().loaded());
    }

    @Test
    void aStageOnTheLoadersThreadMayCloseIt() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        CheckpointLoader loader = CheckpointLoader.builder().threads(1).build();
        CountDownLatch both = new CountDownLatch(1);
        LoadFuture load = loader.load(file, CPU.filter(key -> {
            try {
                return both.await(1, TimeUnit.MINUTES);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }));
        CompletableFuture<Void> closed = load.thenAccept(dict -> {
            dict.close();
            loader.close();
        });
        both.countDown();
        closed.get(30, TimeUnit.SECONDS);
    }

    @Test
    void anInterruptedWaiterCancels() throws Exception {
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        try (CheckpointLoader loader = CheckpointLoader.builder().threads(1).build()) {
            LoadFuture load = blocking(loader, started, open);
            CompletableFuture<Class<?>> thrown = new CompletableFuture<>();
            Thread waiter = new Thread(() -> {
                try {
                    load.await().close();
                } catch (Exception e) {
                    thrown.complete(e.getClass());
                }
            });
            waiter.start();
            started.await();
            waiter.interrupt();
            assertSame(InterruptedException.class, thrown.get());
            assertTrue(load.isCancelled());
            open.countDown();
        }
    }

    @Test
    void listenersAreToldHowLoadsEnded() throws Exception {
        Path file = LoaderFiles.write(folder.resolve("a.pt"), 1, 1);
        ConcurrentLinkedQueue<LoadOutcome> outcomes = new ConcurrentLinkedQueue<>();
        LoadListener broken = outcome -> {
            throw new IllegalStateException("not fatal");
        };
        CheckpointLoader loader = CheckpointLoader.builder().threads(1).build();
        loader.addListener(broken);
        loader.addListener(outcomes::add);
        loader.load(file, CPU).await().close();
        assertThrows(CheckpointException.class, () -> loader.load(folder.resolve("missing.pt")).await());
        loader.close();
        loader.removeListener(broken);
        assertEquals(List.of(LoadOutcome.Result.LOADED, LoadOutcome.Result.FAILED),
                outcomes.stream().map(LoadOutcome::result).toList());
        LoadOutcome failed = List.copyOf(outcomes).get(1);
        assertInstanceOf(CheckpointException.class, failed.failure().orElseThrow());
        assertEquals(Optional.empty(), outcomes.peek().failure());
        assertTrue(outcomes.peek().loadNanos() > 0);
        assertEquals(Map.of(), failed.bytesByDevice());
    }

    @Test
    void wrongSettingsAreRefused() {
        CheckpointLoader.Builder builder = CheckpointLoader.builder();
        assertThrows(IllegalArgumentException.class, () -> builder.threads(0));
        assertThrows(IllegalArgumentException.class, () -> builder.queueLimit(-1));
        assertThrows(IllegalArgumentException.class, () -> builder.budget(Device.cpu(), -1));
        assertThrows(IllegalArgumentException.class, () -> builder.budget(Device.meta(), 1));
        assertThrows(IllegalArgumentException.class, () -> builder.deadline(Duration.ofMillis(-1)));
        assertThrows(IllegalArgumentException.class,
                () -> LoadRequest.of(folder).withDeadline(Duration.ofMillis(-1)));
    }
}
