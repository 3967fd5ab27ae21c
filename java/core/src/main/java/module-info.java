/**
 * PyTorch checkpoints in the JVM: read, placed on any device, and handed to Java without a copy.
 */
module io.torchferry {
    // Events for Flight Recorder, where the run time has it.
    requires static jdk.jfr;

    exports io.torchferry;
}
