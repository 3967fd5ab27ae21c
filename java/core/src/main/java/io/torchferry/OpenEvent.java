package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** A checkpoint was opened, or refused. */
@Name("io.torchferry.CheckpointOpen")
@Label("Checkpoint Open")
@Description("A checkpoint's index was read")
@Category("Torchferry")
final class OpenEvent extends Event {
    @Label("File")
    String file;

    @Label("Format")
    String format;

    @Label("File Size")
    @DataAmount
    long fileSize;

    @Label("Failure")
    @Description("Why it was refused; nothing when it was opened")
    String failure;
}
