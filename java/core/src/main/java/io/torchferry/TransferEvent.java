package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Timespan;

/** Bytes of tensors went to a device, or did not get there. */
@Name("io.torchferry.DeviceTransfer")
@Label("Device Transfer")
@Description("Bytes of tensors went to one device: from a file, for each device of a load, or from where a state dict was")
@Category("Torchferry")
final class TransferEvent extends Event {
    @Label("Source")
    @Description("The file, or the devices that the tensors were on: cpu=4096")
    String source;

    @Label("Device")
    String device;

    @Label("Bytes")
    @Description("Bytes of distinct storages that went there")
    @DataAmount
    long bytes;

    @Label("Transfer")
    @Description("Reading and copying; the devices of one load take their bytes at the same time")
    @Timespan
    long transfer;

    @Label("Failure")
    @Description("Why nothing was moved; nothing when it was")
    String failure;
}
