package io.torchferry;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;

/** A state dict was saved, or not. */
@Name("io.torchferry.StateDictSave")
@Label("State Dict Save")
@Description("A state dict was written to a file")
@Category("Torchferry")
final class SaveEvent extends Event {
    @Label("File")
    String file;

    @Label("Tensors")
    int tensors;

    @Label("File Size")
    @DataAmount
    long fileSize;

    @Label("Failure")
    @Description("Why nothing was saved; nothing when it was")
    String failure;
}
