package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** An owner of native memory was never closed; the garbage collector found it. */
@Name("io.torchferry.Leak")
@Label("Leak")
@Description("An owner of native memory was never closed, and was freed by the garbage collector")
@Category("Torchferry")
@StackTrace(false)
final class LeakEvent extends Event {
    @Label("Owner")
    String owner;

    @Label("Held For")
    @Timespan
    long heldFor;

    @Label("Opened At")
    @Description("Stack of the opening, with -Dtorchferry.leakTrace=true")
    String openedAt;
}
