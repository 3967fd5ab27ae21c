package io.torchferry.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.CheckpointException;
import io.torchferry.DType;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.LoadRequest;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class CheckpointCacheTest {
    private static final LoadOptions CPU = LoadOptions.defaults().mapLocation(Device.cpu());

    @TempDir
    Path folder;

    private final AtomicLong clock = new AtomicLong();

    private static float first(CheckpointLease lease) {
        return lease.stateDict().get("t0").toFloatArray()[0];
    }

    private static long held(CheckpointCache cache) {
        return cache.stats().loader().bytesHeld().getOrDefault(Device.cpu(), 0L);
    }

    /** Whoever first asks with this filter waits for the latch on a loader's thread. */
    private static LoadOptions held(CountDownLatch started, CountDownLatch open) {
        return CPU.filter(key -> {
            started.countDown();
            try {
                open.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return true;
        });
    }

    @Test
    void loadsOnceAndKeeps() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 100, 5f);
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            CheckpointLease one = cache.lease(file, CPU);
            CheckpointLease two = cache.lease(file, CPU);
            assertEquals(5f, first(one));
            assertEquals(file.toAbsolutePath(), one.path());
            assertNotSame(one.stateDict(), two.stateDict());
            assertTrue(one.stateDict().get("t0").sharesStorageWith(two.stateDict().get("t0")));
            one.close();
            one.close();
            assertThrows(IllegalStateException.class, () -> one.stateDict().get("t0").toFloatArray());
            assertEquals(5f, first(two));
            two.close();
            try (CheckpointLease three = cache.lease(file, CPU)) {
                assertEquals(5f, first(three));
                assertEquals(1, cache.stats().leases());
            }
            CacheStats stats = cache.stats();
            assertEquals(2, stats.hits());
            assertEquals(1, stats.misses());
            assertEquals(1, stats.entries());
            assertEquals(0, stats.leases());
            assertEquals(Map.of(Device.cpu(), 800L), stats.bytesByDevice());
            // The loader counts a load when its thread is done with it.
            while (cache.loader().stats().loaded() == 0) {
                Thread.sleep(1);
            }
            assertEquals(1, cache.loader().stats().loaded());
        }
    }

    @Test
    void placesAndOptionsAreDifferentOnes() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 100, 5f);
        Predicate<String> filter = key -> key.equals("t1");
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            List<LoadRequest> requests = List.of(
                    LoadRequest.of(file), LoadRequest.of(file).withOptions(CPU),
                    LoadRequest.of(file).withOptions(CPU.mmap(false)),
                    LoadRequest.of(file).withOptions(CPU.cast(DType.FLOAT16)),
                    LoadRequest.of(file).withOptions(CPU.filter(filter)),
                    LoadRequest.of(file).withKeys("t0"),
                    LoadRequest.of(folder.resolve("../" + folder.getFileName() + "/a.pt")).withOptions(CPU.threads(2)));
            for (int round = 0; round < 2; round++) {
                for (LoadRequest request : requests) {
                    cache.lease(request).close();
                }
            }
            assertEquals(6, cache.stats().entries());
            assertEquals(6, cache.stats().misses());
            assertEquals(8, cache.stats().hits());
        }
    }

    @Test
    void manyWhoAskAtOnceShareOneLoad() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 100, 5f);
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        LoadOptions options = held(started, open);
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            List<CompletableFuture<CheckpointLease>> leases = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                leases.add(cache.leaseAsync(LoadRequest.of(file).withOptions(options)));
            }
            started.await();
            assertEquals(20, cache.stats().leases());
            open.countDown();
            for (CompletableFuture<CheckpointLease> lease : leases) {
                try (CheckpointLease given = lease.get()) {
                    assertEquals(5f, first(given));
                }
            }
            assertEquals(1, cache.stats().misses());
            assertEquals(0, cache.stats().leases());
        }
    }

    @Test
    void whoGivesUpLeavesTheLoadToTheOthers() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 100, 5f);
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        LoadRequest request = LoadRequest.of(file).withOptions(held(started, open));
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            CompletableFuture<CheckpointLease> first = cache.leaseAsync(request);
            CompletableFuture<CheckpointLease> second = cache.leaseAsync(request);
            started.await();
            assertTrue(first.cancel(true));
            TimeoutException late = assertThrows(TimeoutException.class,
                    () -> cache.lease(request.withDeadline(Duration.ofMillis(10))));
            assertTrue(late.getMessage().contains("a.pt within 10 ms"), late.getMessage());
            open.countDown();
            second.get().close();
            assertEquals(0, cache.stats().leases());
            assertEquals(1, cache.stats().entries());
        }
    }

    @Test
    void theLastWhoGivesUpCancelsTheLoad() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 100, 5f);
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        LoadRequest request = LoadRequest.of(file).withOptions(held(started, open));
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            CompletableFuture<CheckpointLease> first = cache.leaseAsync(request);
            CompletableFuture<CheckpointLease> second = cache.leaseAsync(request);
            started.await();
            first.cancel(true);
            second.cancel(true);
            assertEquals(0, cache.stats().entries());
            // A new one does not get the cancelled load.
            open.countDown();
            cache.lease(request).close();
            assertEquals(2, cache.stats().misses());
            assertEquals(1, cache.stats().failures());
        }
    }

    @Test
    void failuresAreNotKept() throws Exception {
        Path file = folder.resolve("late.pt");
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            CheckpointException missing = assertThrows(CheckpointException.class, () -> cache.lease(file, CPU));
            assertTrue(missing.getMessage().contains("late.pt"));
            Files.write(file, new byte[50]);
            assertThrows(IOException.class, () -> cache.lease(file, CPU));
            Saved.write(file, 1, 10, 3f);
            try (CheckpointLease lease = cache.lease(file, CPU)) {
                assertEquals(3f, first(lease));
            }
            assertEquals(2, cache.stats().failures());
            assertEquals(1, cache.stats().entries());
        }
    }

    @Test
    void aReplacedFileIsLoadedAnewAndOldLeasesStayValid() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 1000, 1f);
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            CheckpointLease old = cache.lease(file, CPU);
            cache.lease(file, CPU).close();
            Saved.write(file, 2, 1000, 2f);
            try (CheckpointLease now = cache.lease(file, CPU)) {
                assertEquals(2f, first(now));
                assertEquals(1f, first(old));
                assertEquals(16_000, held(cache));
                old.close();
                assertEquals(8000, held(cache));
            }
            assertEquals(1, cache.stats().replaced());
            assertEquals(1, cache.stats().entries());
            Files.delete(file);
            assertThrows(CheckpointException.class, () -> cache.lease(file, CPU));
            assertEquals(0, held(cache));
        }
    }

    @Test
    void aLinkThatIsSetToAnotherFileIsAChange() throws Exception {
        Path one = Saved.write(folder.resolve("one.pt"), 1, 10, 1f);
        Path two = Saved.write(folder.resolve("two.pt"), 1, 10, 2f);
        Path link = Files.createSymbolicLink(folder.resolve("current.pt"), one);
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            try (CheckpointLease lease = cache.lease(link, CPU)) {
                assertEquals(1f, first(lease));
            }
            Files.delete(link);
            Files.createSymbolicLink(link, two);
            try (CheckpointLease lease = cache.lease(link, CPU)) {
                assertEquals(2f, first(lease));
            }
        }
    }

    @Test
    void recheckingCanWait() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 10, 1f);
        try (CheckpointCache cache =
                CheckpointCache.builder().recheckAfter(Duration.ofSeconds(1)).ticker(clock::get).build()) {
            cache.lease(file, CPU).close();
            Saved.write(file, 1, 10, 2f);
            clock.addAndGet(Duration.ofMillis(999).toNanos());
            try (CheckpointLease lease = cache.lease(file, CPU)) {
                assertEquals(1f, first(lease));
            }
            clock.addAndGet(Duration.ofMillis(1).toNanos());
            try (CheckpointLease lease = cache.lease(file, CPU)) {
                assertEquals(2f, first(lease));
            }
        }
    }

    @Test
    void whatIsMadeFromALeaseOutlivesIt() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 1000, 4f);
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            StateDict mine;
            try (CheckpointLease lease = cache.lease(file, CPU)) {
                mine = lease.stateDict().renamed(key -> "model." + key);
            }
            cache.invalidate(file);
            assertEquals(0, cache.stats().entries());
            assertEquals(4f, mine.get("model.t0").toFloatArray()[0]);
            assertEquals(4000, held(cache));
            mine.close();
            assertEquals(0, held(cache));
        }
    }

    @Test
    void aForgottenLeaseComesBack() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 1000, 4f);
        try (CheckpointCache cache = CheckpointCache.builder().build()) {
            cache.lease(file, CPU);
            while (cache.stats().leases() > 0) {
                System.gc();
                Thread.sleep(20);
            }
            assertEquals(1, cache.stats().entries());
        }
    }

    @Test
    void closeEndsLoadsAndKeepsWhatIsLeased() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 1000, 4f);
        CountDownLatch started = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        CheckpointCache cache = CheckpointCache.builder().build();
        CheckpointLease lease = cache.lease(file, CPU);
        CompletableFuture<CheckpointLease> loading =
                cache.leaseAsync(LoadRequest.of(file).withOptions(held(started, open)));
        started.await();
        CompletableFuture<Void> closing = CompletableFuture.runAsync(cache::close);
        assertThrows(CancellationException.class, loading::join);
        open.countDown();
        closing.join();
        assertThrows(IllegalStateException.class, () -> cache.lease(file, CPU));
        assertEquals(4f, first(lease));
        assertEquals(4000, held(cache));
        lease.close();
        assertEquals(0, held(cache));
        cache.close();
    }

    @Test
    void flightRecorderIsTold() throws Exception {
        Path file = Saved.write(folder.resolve("recorded.pt"), 1, 1000, 4f);
        Path dump = folder.resolve("dump.jfr");
        try (Recording recording = new Recording(); CheckpointCache cache = CheckpointCache.builder().build()) {
            recording.start();
            cache.lease(file, CPU).close();
            cache.lease(file, CPU).close();
            cache.invalidate(file);
            recording.stop();
            recording.dump(dump);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(dump).stream()
                .filter(event -> event.getEventType().getName().startsWith("io.torchferry.Cache"))
                .filter(event -> event.getString("file").endsWith("recorded.pt"))
                .sorted(Comparator.comparing(RecordedEvent::getStartTime)).toList();
        assertEquals(List.of(false, true), events.stream().filter(event -> event.hasField("hit"))
                .map(event -> event.getBoolean("hit")).toList());
        RecordedEvent eviction = events.stream().filter(event -> event.hasField("cause")).findFirst().orElse(null);
        assertNotNull(eviction);
        assertEquals("forgotten", eviction.getString("cause"));
        assertEquals(4000, eviction.getLong("bytes"));
    }

    /** The state dict of a lease is an ordinary one, for example for a tensor that outlives it. */
    @Test
    void aTensorCanBeTakenOut() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 10, 4f);
        try (CheckpointCache cache = CheckpointCache.builder().build(); CheckpointLease lease = cache.lease(file, CPU);
                Tensor doubled = lease.stateDict().get("t0").cast(DType.FLOAT64)) {
            assertEquals(4.0, doubled.toDoubleArray()[9]);
        }
    }
}
