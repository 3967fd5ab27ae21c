package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** A load of a loader ended. */
@Name("io.torchferry.LoaderLoad")
@Label("Loader Load")
@Description("A load that was asked of a CheckpointLoader ended")
@Category("Torchferry")
@StackTrace(false)
final class LoaderEvent extends Event {
    @Label("File")
    String file;

    @Label("Result")
    String result;

    @Label("Bytes")
    @Description("Bytes taken from the budget")
    @DataAmount
    long bytes;

    @Label("Waiting for a Thread")
    @Timespan
    long queued;

    @Label("Waiting for Bytes")
    @Timespan
    long waitingForBytes;

    @Label("Loading")
    @Timespan
    long loading;

    @Label("Failure")
    String failure;
}
