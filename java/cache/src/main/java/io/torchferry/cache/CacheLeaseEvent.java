package io.torchferry.cache;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A lease was asked for and given, or not. */
@Name("io.torchferry.CacheLease")
@Label("Cache Lease")
@Description("A lease of a CheckpointCache, from asking to having it")
@Category("Torchferry")
@StackTrace(false)
final class CacheLeaseEvent extends Event {
    @Label("File")
    String file;

    @Label("Hit")
    @Description("Whether it was there, or being loaded")
    boolean hit;

    @Label("Failure")
    @Description("Why there was no lease; nothing when there was")
    String failure;
}
