/**
 * Keeps loaded checkpoints for those who use them again.
 */
module io.torchferry.cache {
    requires transitive io.torchferry;
    requires com.github.benmanes.caffeine;
    // Events for Flight Recorder, where the run time has it.
    requires static jdk.jfr;

    exports io.torchferry.cache;
}
