package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** An owner of native memory was closed. */
@Name("io.torchferry.Close")
@Label("Close")
@Description("An owner of native memory was closed")
@Category("Torchferry")
@StackTrace(false)
final class CloseEvent extends Event {
    @Label("Owner")
    String owner;

    @Label("Held For")
    @Timespan
    long heldFor;
}
