package io.torchferry.spi;

/**
 * Provided by the modules that bring Torchferry's native libraries, one for each platform. It has no methods: a module
 * that provides it is resolved together with {@code io.torchferry}, so that its libraries, which are resources in no
 * package, are found on the module path as they are on the class path. Applications have no use for it.
 */
public interface NativeLibraries {
}
