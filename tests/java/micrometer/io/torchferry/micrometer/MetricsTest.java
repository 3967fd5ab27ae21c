package io.torchferry.micrometer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.torchferry.CheckpointLoader;
import io.torchferry.Device;
import io.torchferry.LoadFuture;
import io.torchferry.LoadOptions;
import io.torchferry.Staging;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import io.torchferry.cache.CheckpointCache;
import io.torchferry.cache.CheckpointLease;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class MetricsTest {
    private static final LoadOptions COPIED = LoadOptions.defaults().mapLocation(Device.cpu()).mmap(false);

    @TempDir
    Path folder;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

    private Path file() throws IOException {
        try (Tensor tensor = Tensor.of(new float[100]); StateDict dict = StateDict.of(Map.of("t", tensor))) {
            dict.save(folder.resolve("a.pt"));
        }
        return folder.resolve("a.pt");
    }

    private double gauge(String name, String... tags) {
        return registry.get(name).tags(tags).gauge().value();
    }

    private double counter(String name, String... tags) {
        return registry.get(name).tags(tags).functionCounter().count();
    }

    private static StateDict load(CheckpointLoader loader, Path file) throws Exception {
        LoadFuture load = loader.load(file, COPIED);
        StateDict dict = load.await();
        // Counted when the loader's thread is done with it.
        load.ended().toCompletableFuture().join();
        return dict;
    }

    @Test
    void metersOfALoader() throws Exception {
        try (CheckpointLoader loader = CheckpointLoader.builder().budget(Device.cpu(), 1000).build()) {
            LoaderMetrics metrics = LoaderMetrics.of(loader, Tag.of("loader", "main"));
            metrics.bindTo(registry);
            assertEquals(1000, gauge("torchferry.device.bytes.budget", "device", "cpu", "loader", "main"));
            assertEquals(0, gauge("torchferry.device.bytes", "device", "cpu"));
            StateDict dict = load(loader, file());
            assertEquals(400, gauge("torchferry.device.bytes", "device", "cpu"));
            dict.close();
            assertEquals(0, gauge("torchferry.device.bytes", "device", "cpu"));
            assertEquals(400, gauge("torchferry.device.bytes.peak", "device", "cpu"));
            assertEquals(400, registry.get("torchferry.loads.bytes").tags("device", "cpu").counter().count());
            LoadFuture missing = loader.load(folder.resolve("missing.pt"));
            assertThrows(IOException.class, missing::await);
            missing.ended().toCompletableFuture().join();
            assertEquals(1, registry.get("torchferry.loads").tags("result", "loaded").timer().count());
            assertEquals(1, registry.get("torchferry.loads").tags("result", "failed").timer().count());
            assertTrue(registry.get("torchferry.loads").tags("result", "loaded").timer()
                    .totalTime(TimeUnit.NANOSECONDS) > 0);
            assertEquals(2, registry.get("torchferry.loads.queued").timer().count());
            assertEquals(2, registry.get("torchferry.loads.budget.wait").timer().count());
            for (String state : new String[] {"queued", "waiting", "running"}) {
                assertEquals(0, gauge("torchferry.loader.loads", "state", state));
            }
            assertEquals(Staging.status().allocated(), gauge("torchferry.staging.bytes", "state", "allocated"));
            assertEquals(0, gauge("torchferry.staging.bytes", "state", "in_use"));
            metrics.close();
            load(loader, folder.resolve("a.pt")).close();
            assertEquals(1, registry.get("torchferry.loads").tags("result", "loaded").timer().count());
        }
    }

    @Test
    void metersOfACache() throws Exception {
        Path file = file();
        try (CheckpointCache cache = CheckpointCache.builder().build();
                CacheMetrics metrics = CacheMetrics.of(cache)) {
            metrics.bindTo(registry);
            cache.lease(file, COPIED).close();
            try (CheckpointLease lease = cache.lease(file, COPIED)) {
                assertEquals(1, gauge("torchferry.cache.leased"));
                assertEquals(1, lease.stateDict().size());
            }
            assertThrows(IOException.class, () -> cache.lease(folder.resolve("missing.pt"), COPIED));
            assertEquals(1, counter("torchferry.cache.leases", "result", "hit"));
            assertEquals(2, counter("torchferry.cache.leases", "result", "miss"));
            assertEquals(1, counter("torchferry.cache.failures"));
            assertEquals(1, gauge("torchferry.cache.entries"));
            assertEquals(0, gauge("torchferry.cache.leased"));
            file();
            cache.lease(file, COPIED).close();
            assertEquals(1, counter("torchferry.cache.evictions", "cause", "replaced"));
            assertEquals(0, counter("torchferry.cache.evictions", "cause", "bytes"));
            assertEquals(0, counter("torchferry.cache.evictions", "cause", "idle"));
        }
    }
}
