package io.torchferry.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.BudgetExceededException;
import io.torchferry.CheckpointLoader;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.LoadRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who has to go, and when. */
@Timeout(60)
class CacheRoomTest {
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

    private static CheckpointCache budgeted(long bytes) {
        return CheckpointCache.builder().loading(CheckpointLoader.builder().budget(Device.cpu(), bytes)).build();
    }

    @Test
    void idleOnesGoAfterTheirTimeAndUsedOnesStay() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 10, 1f);
        Path other = Saved.write(folder.resolve("b.pt"), 1, 10, 1f);
        try (CheckpointCache cache =
                CheckpointCache.builder().expireAfterIdle(Duration.ofMinutes(1)).ticker(clock::get).build()) {
            CheckpointLease used = cache.lease(file, CPU);
            cache.lease(other, CPU).close();
            clock.addAndGet(Duration.ofMinutes(2).toNanos());
            cache.cleanUp();
            assertEquals(1, cache.stats().entries());
            assertEquals(1, cache.stats().evictedIdle());
            assertEquals(40, held(cache));
            assertEquals(1f, first(used));
            used.close();
            clock.addAndGet(Duration.ofSeconds(59).toNanos());
            cache.lease(file, CPU).close();
            clock.addAndGet(Duration.ofSeconds(59).toNanos());
            cache.cleanUp();
            assertEquals(1, cache.stats().entries(), "the time counts from the end of the last use");
            clock.addAndGet(Duration.ofSeconds(2).toNanos());
            cache.cleanUp();
            assertEquals(0, cache.stats().entries());
            assertEquals(0, held(cache));
        }
    }

    @Test
    void idleOnesGoWithoutAnybodyAsking() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 1, 10, 1f);
        try (CheckpointCache cache = CheckpointCache.builder().expireAfterIdle(Duration.ofMillis(50)).build()) {
            cache.lease(file, CPU).close();
            while (held(cache) > 0) {
                Thread.sleep(20);
            }
            assertEquals(1, cache.stats().evictedIdle());
        }
    }

    @Test
    void theLeastRecentlyUsedMakesRoom() throws Exception {
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            files.add(Saved.write(folder.resolve(i + ".pt"), 1, 1000, i));
        }
        try (CheckpointCache cache = budgeted(12_000)) {
            for (int i = 0; i < 3; i++) {
                cache.lease(files.get(i), CPU).close();
            }
            cache.lease(files.get(0), CPU).close();
            cache.lease(files.get(3), CPU).close();
            assertEquals(1, cache.stats().evictedForBytes());
            assertEquals(12_000, held(cache));
            long misses = cache.stats().misses();
            cache.lease(files.get(0), CPU).close();
            cache.lease(files.get(2), CPU).close();
            cache.lease(files.get(3), CPU).close();
            assertEquals(misses, cache.stats().misses(), "it was file 1 that went");
            cache.lease(files.get(1), CPU).close();
            assertEquals(misses + 1, cache.stats().misses());
            assertTrue(cache.stats().loader().peakBytes().get(Device.cpu()) <= 12_000);
        }
    }

    @Test
    void whatIsLeasedIsNeverEvicted() throws Exception {
        Path a = Saved.write(folder.resolve("a.pt"), 1, 1000, 1f);
        Path b = Saved.write(folder.resolve("b.pt"), 1, 1000, 2f);
        try (CheckpointCache cache = budgeted(6000)) {
            CheckpointLease used = cache.lease(a, CPU);
            CompletableFuture<CheckpointLease> waiting = cache.leaseAsync(LoadRequest.of(b).withOptions(CPU));
            while (cache.stats().loader().waitingForBudget() == 0) {
                Thread.sleep(2);
            }
            assertEquals(1f, first(used));
            assertFalse(waiting.isDone());
            used.close();
            try (CheckpointLease lease = waiting.get()) {
                assertEquals(2f, first(lease));
            }
            assertEquals(1, cache.stats().evictedForBytes());
            assertEquals(1, cache.stats().entries());
        }
        try (CheckpointCache cache = CheckpointCache.builder()
                .loading(CheckpointLoader.builder().failOnBudget().budget(Device.cpu(), 6000)).build()) {
            try (CheckpointLease used = cache.lease(a, CPU)) {
                assertThrows(BudgetExceededException.class, () -> cache.lease(b, CPU));
                assertEquals(1f, first(used));
            }
            cache.lease(b, CPU).close();
            assertEquals(1, cache.stats().evictedForBytes());
        }
    }
}
