package io.torchferry.micrometer;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import io.torchferry.cache.CacheStats;
import io.torchferry.cache.CheckpointCache;
import java.util.function.ToDoubleFunction;

/**
 * Meters of one {@link CheckpointCache}, and those of its loader: {@link LoaderMetrics}.
 *
 * <table>
 * <caption>Meters</caption>
 * <tr><th>name</th><th>tags</th><th>what</th></tr>
 * <tr><td>{@code torchferry.cache.leases}</td><td>{@code result}</td><td>counter: hits and misses</td></tr>
 * <tr><td>{@code torchferry.cache.failures}</td><td></td><td>counter: loads that failed</td></tr>
 * <tr><td>{@code torchferry.cache.evictions}</td><td>{@code cause}</td><td>counter: bytes, idle, replaced</td></tr>
 * <tr><td>{@code torchferry.cache.entries}</td><td></td><td>gauge: state dicts in the cache</td></tr>
 * <tr><td>{@code torchferry.cache.leased}</td><td></td><td>gauge: open leases</td></tr>
 * </table>
 */
public final class CacheMetrics implements MeterBinder, AutoCloseable {
    private final CheckpointCache cache;
    private final LoaderMetrics loader;
    private final Tags tags;

    private CacheMetrics(CheckpointCache cache, LoaderMetrics loader, Tags tags) {
        this.cache = cache;
        this.loader = loader;
        this.tags = tags;
    }

    /**
     * Meters of a cache and its loader.
     *
     * @param tags added to all of them, for example to tell two caches apart
     */
    public static CacheMetrics of(CheckpointCache cache, Tag... tags) {
        return new CacheMetrics(cache, LoaderMetrics.of(cache.loader(), tags), Tags.of(tags));
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        loader.bindTo(registry);
        counter(registry, "torchferry.cache.leases", "Leases asked for", "result", "hit", CacheStats::hits);
        counter(registry, "torchferry.cache.leases", "Leases asked for", "result", "miss", CacheStats::misses);
        counter(registry, "torchferry.cache.evictions", "State dicts evicted", "cause", "bytes",
                CacheStats::evictedForBytes);
        counter(registry, "torchferry.cache.evictions", "State dicts evicted", "cause", "idle",
                CacheStats::evictedIdle);
        counter(registry, "torchferry.cache.evictions", "State dicts evicted", "cause", "replaced",
                CacheStats::replaced);
        FunctionCounter.builder("torchferry.cache.failures", cache, of -> of.stats().failures())
                .description("Loads for the cache that failed").tags(tags).register(registry);
        Gauge.builder("torchferry.cache.entries", cache, of -> of.stats().entries())
                .description("State dicts in the cache").tags(tags).register(registry);
        Gauge.builder("torchferry.cache.leased", cache, of -> of.stats().leases())
                .description("Open leases").tags(tags).register(registry);
    }

    private void counter(MeterRegistry registry, String name, String description, String tag, String value,
            ToDoubleFunction<CacheStats> figure) {
        FunctionCounter.builder(name, cache, of -> figure.applyAsDouble(of.stats())).description(description)
                .tags(tags.and(tag, value)).register(registry);
    }

    /** Ends the timers and the counting of bytes: {@link LoaderMetrics#close}. */
    @Override
    public void close() {
        loader.close();
    }
}
