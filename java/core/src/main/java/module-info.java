/**
 * PyTorch checkpoints in the JVM: read, placed on any device, and handed to Java without a copy.
 */
module io.torchferry {
    exports io.torchferry;
}
