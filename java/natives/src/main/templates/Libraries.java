package @native.module@;

import io.torchferry.spi.NativeLibraries;

/** Says that the native libraries for @native.platform@ are here. */
public final class Libraries implements NativeLibraries {

    /** For the module system. */
    public Libraries() {
        // There is nothing to set up.
    }
}
