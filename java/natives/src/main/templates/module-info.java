/**
 * Torchferry's native libraries for @native.platform@.
 */
module @native.module@ {
    requires io.torchferry;

    // Nobody calls it: it is what makes the module system take this module in when it finds it on the module path.
    provides io.torchferry.spi.NativeLibraries with @native.module@.Libraries;
}
