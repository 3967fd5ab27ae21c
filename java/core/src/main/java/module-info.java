/**
 * PyTorch checkpoints in the JVM: read, placed on any device, and handed to Java without a copy.
 *
 * @uses io.torchferry.spi.NativeLibraries to have the modules with native libraries resolved
 */
module io.torchferry {
    // Events for Flight Recorder, where the run time has it.
    requires static jdk.jfr;
    // For Jmx alone.
    requires static java.management;

    exports io.torchferry;
    exports io.torchferry.spi;

    uses io.torchferry.spi.NativeLibraries;
}
