package io.torchferry.cache;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A state dict left the cache. */
@Name("io.torchferry.CacheEviction")
@Label("Cache Eviction")
@Description("A state dict left a CheckpointCache")
@Category("Torchferry")
@StackTrace(false)
final class CacheEvictionEvent extends Event {
    @Label("File")
    String file;

    @Label("Cause")
    @Description("bytes, idle, replaced or forgotten")
    String cause;

    @Label("Bytes")
    @DataAmount
    long bytes;
}
