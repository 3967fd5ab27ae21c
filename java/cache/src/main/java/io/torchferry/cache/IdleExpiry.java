package io.torchferry.cache;

import com.github.benmanes.caffeine.cache.Expiry;
import java.time.Duration;

/** What is used stays; what is idle stays for some time from the end of its last use. */
final class IdleExpiry implements Expiry<CacheKey, CacheEntry> {
    private final long idleNanos;

    /** @param idle null for ever */
    IdleExpiry(Duration idle) {
        this.idleNanos = idle == null ? Long.MAX_VALUE : idle.toNanos();
    }

    @Override
    public long expireAfterCreate(CacheKey key, CacheEntry entry, long now) {
        return left(entry);
    }

    @Override
    public long expireAfterUpdate(CacheKey key, CacheEntry entry, long now, long before) {
        return left(entry);
    }

    @Override
    public long expireAfterRead(CacheKey key, CacheEntry entry, long now, long before) {
        return before;
    }

    private long left(CacheEntry entry) {
        return entry.isIdle() ? idleNanos : Long.MAX_VALUE;
    }
}
