package io.torchferry.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.torchferry.CheckpointLoader;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.LoadRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Many threads on few files and little room. */
@Timeout(120)
class CacheUnderLoadTest {
    private static final LoadOptions CPU = LoadOptions.defaults().mapLocation(Device.cpu());

    @TempDir
    Path folder;

    private interface Work {
        void run(Random random) throws Exception;
    }

    private static void together(int threads, int rounds, Work work) throws Exception {
        AtomicReference<Throwable> wrong = new AtomicReference<>();
        List<Thread> all = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            Random random = new Random(t);
            all.add(new Thread(() -> {
                try {
                    for (int i = 0; i < rounds && wrong.get() == null; i++) {
                        work.run(random);
                    }
                } catch (Throwable e) {
                    wrong.set(e);
                }
            }));
        }
        all.forEach(Thread::start);
        for (Thread thread : all) {
            thread.join();
        }
        if (wrong.get() != null) {
            throw new AssertionError(wrong.get());
        }
    }

    private static void assertEmptyAfterClose(CheckpointCache cache) {
        cache.close();
        assertEquals(0, cache.stats().entries());
        assertTrue(cache.loader().stats().bytesHeld().values().stream().allMatch(bytes -> bytes == 0),
                cache.loader().stats().toString());
    }

    @Test
    void littleRoomAndManyFiles() throws Exception {
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            files.add(Saved.write(folder.resolve(i + ".pt"), 2, 500, i));
        }
        // Room for three of eight; two threads hold one each at most, so there is always one to evict.
        CheckpointCache cache = CheckpointCache.builder()
                .loading(CheckpointLoader.builder().threads(2).budget(Device.cpu(), 12_000))
                .expireAfterIdle(Duration.ofMillis(1)).build();
        together(6, 150, random -> {
            int number = random.nextInt(files.size());
            LoadRequest request = LoadRequest.of(files.get(number)).withOptions(CPU);
            CompletableFuture<CheckpointLease> asked = cache.leaseAsync(request);
            if (random.nextInt(5) == 0) {
                TimeUnit.NANOSECONDS.sleep(random.nextInt(500_000));
                asked.cancel(true);
            }
            if (!asked.isCancelled()) {
                try (CheckpointLease lease = asked.get()) {
                    assertEquals(number, lease.stateDict().get("t1").toFloatArray()[499]);
                }
            }
        });
        CacheStats stats = cache.stats();
        assertEquals(900, stats.hits() + stats.misses());
        assertEquals(0, stats.leases(), stats.toString());
        assertTrue(stats.evictedForBytes() + stats.evictedIdle() > 0, stats.toString());
        assertTrue(stats.loader().peakBytes().get(Device.cpu()) <= 12_000, stats.toString());
        assertEmptyAfterClose(cache);
    }

    /** Values of a file only grow, and no lease that began after one was in place sees an older one. */
    @Test
    void aFileThatIsReplacedAgainAndAgain() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 1000, 0f);
        AtomicInteger inPlace = new AtomicInteger();
        AtomicBoolean stop = new AtomicBoolean();
        CheckpointCache cache = CheckpointCache.builder().build();
        CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> {
            try {
                while (!stop.get()) {
                    Saved.write(file, 2, 1000, inPlace.get() + 1);
                    inPlace.incrementAndGet();
                    Thread.sleep(3);
                }
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        together(4, 300, random -> {
            int least = inPlace.get();
            try (CheckpointLease lease = cache.lease(file, CPU)) {
                float value = lease.stateDict().get("t1").toFloatArray()[999];
                assertTrue(value >= least, value + " after " + least);
                Thread.sleep(ThreadLocalRandom.current().nextInt(2));
                assertEquals(value, lease.stateDict().get("t0").toFloatArray()[0], "the lease's content has changed");
            }
        });
        stop.set(true);
        writer.join();
        assertTrue(cache.stats().replaced() > 3, cache.stats().toString());
        assertEquals(0, cache.stats().failures());
        assertEmptyAfterClose(cache);
    }

    /** Those who ask while the cache is closed get a lease or an exception, and nothing stays. */
    @Test
    void closingUnderLoad() throws Exception {
        Path file = Saved.write(folder.resolve("a.pt"), 2, 1000, 0f);
        for (int round = 0; round < 20; round++) {
            CheckpointCache cache = CheckpointCache.builder().build();
            CountDownLatch some = new CountDownLatch(10);
            CompletableFuture<Void> closing = CompletableFuture.runAsync(() -> {
                try {
                    some.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                cache.close();
            });
            together(4, 50, random -> {
                some.countDown();
                try {
                    cache.leaseAsync(LoadRequest.of(file).withOptions(CPU)).get().close();
                } catch (ExecutionException | IllegalStateException closed) {
                    return;
                }
            });
            closing.join();
            assertEmptyAfterClose(cache);
        }
    }
}
