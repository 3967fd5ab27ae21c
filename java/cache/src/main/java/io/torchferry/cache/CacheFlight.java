package io.torchferry.cache;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import jdk.jfr.FlightRecorder;

/**
 * What the cache tells JDK Flight Recorder; nothing where the Java run time comes without it, or no recording asks.
 */
final class CacheFlight {
    private static final boolean PRESENT = ModuleLayer.boot().findModule("jdk.jfr").isPresent();

    private CacheFlight() {
    }

    /** Whether there ever was a recording; event classes are not loaded before, because that sets the recorder up. */
    private static boolean isOn() {
        return PRESENT && FlightRecorder.isInitialized();
    }

    /** Somebody asks for a lease; null while nobody records that. */
    static Object leasing() {
        if (!isOn()) {
            return null;
        }
        CacheLeaseEvent event = new CacheLeaseEvent();
        event.begin();
        return event.isEnabled() ? event : null;
    }

    /** @param begun from {@link #leasing}; null: nothing happens */
    static void leased(Object begun, Path file, boolean hit, CompletableFuture<CheckpointLease> lease) {
        if (begun instanceof CacheLeaseEvent event) {
            lease.whenComplete((given, failure) -> {
                event.end();
                event.file = file.toString();
                event.hit = hit;
                event.failure = failure == null ? null : failure.toString();
                event.commit();
            });
        }
    }

    static void evicted(CacheEntry entry, String cause) {
        if (isOn()) {
            CacheEvictionEvent event = new CacheEvictionEvent();
            if (event.isEnabled()) {
                event.file = entry.key().path().toString();
                event.cause = cause;
                event.bytes = entry.bytes().values().stream().mapToLong(Long::longValue).sum();
                event.commit();
            }
        }
    }
}
