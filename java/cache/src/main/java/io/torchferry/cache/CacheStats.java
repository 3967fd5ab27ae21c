package io.torchferry.cache;

import io.torchferry.Device;
import io.torchferry.LoaderStats;
import java.util.Map;

/**
 * Figures of a {@link CheckpointCache} at one moment; counts are sums since it was made.
 *
 * @param hits leases on what was there, or was being loaded
 * @param misses leases that began a load
 * @param failures loads that failed or were given up
 * @param evictedForBytes state dicts that made room for others
 * @param evictedIdle state dicts that nobody had used for long enough
 * @param replaced state dicts that were loaded anew because their file had changed
 * @param entries state dicts in the cache now, those being loaded included
 * @param leases leases that are open now, those waiting included; without those on replaced files
 * @param bytesByDevice bytes of the state dicts in the cache
 * @param loader the figures of the loader that the cache uses; its held bytes include replaced state dicts in use
 */
public record CacheStats(
        long hits,
        long misses,
        long failures,
        long evictedForBytes,
        long evictedIdle,
        long replaced,
        int entries,
        int leases,
        Map<Device, Long> bytesByDevice,
        LoaderStats loader) {
}
