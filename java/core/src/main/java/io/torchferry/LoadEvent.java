package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Timespan;

/** Tensors were loaded, or not. */
@Name("io.torchferry.CheckpointLoad")
@Label("Checkpoint Load")
@Description("Tensors of a checkpoint were placed on devices")
@Category("Torchferry")
final class LoadEvent extends Event {
    @Label("File")
    String file;

    @Label("Place")
    @Description("Keys that lead to what was loaded; nothing for the whole content")
    String place;

    @Label("Tensors")
    int tensors;

    @Label("Bytes")
    @Description("Bytes of distinct storages")
    @DataAmount
    long bytes;

    @Label("Devices")
    @Description("Bytes on each device: cuda:0=4096 cpu=16")
    String devices;

    @Label("Strategy")
    @Description("The ways that bytes took: mapped, read, pinned, staged")
    String strategy;

    @Label("Bytes Mapped")
    @DataAmount
    long bytesMapped;

    @Label("Bytes Read")
    @DataAmount
    long bytesRead;

    @Label("Bytes Copied")
    @Description("Bytes copied to devices")
    @DataAmount
    long bytesCopied;

    @Label("Bytes Pinned")
    @Description("Bytes that went through page-locked buffers")
    @DataAmount
    long bytesPinned;

    @Label("Planning")
    @Timespan
    long planning;

    @Label("Transfer")
    @Timespan
    long transfer;

    @Label("Building Tensors")
    @Timespan
    long building;

    @Label("Skipped Tensors")
    int skipped;

    @Label("Failure")
    @Description("Why nothing was loaded; nothing when it was")
    String failure;
}
