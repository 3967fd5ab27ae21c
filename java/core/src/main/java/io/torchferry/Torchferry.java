package io.torchferry;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where the native libraries are, and what is wrong when they are not.
 *
 * <p>Torchferry's own two libraries come from the folder in the system property {@code torchferry.native.dir}, else
 * from the class path or the module path. libtorch is looked for in: the property {@code torchferry.libtorch} (a folder,
 * or {@code classpath} for the jars alone), the environment variables {@code TORCHFERRY_LIBTORCH} and {@code LIBTORCH},
 * the jars of {@code org.bytedeco:pytorch} on the class path, the folder that Torchferry was built with, and the torch of
 * {@code python3}. A place that is named explicitly never falls back to another; nothing is downloaded.
 *
 * <p>Libraries from jars are unpacked once, to the folder in the property {@code torchferry.cache}, else to the user's
 * cache.
 * With the property {@code torchferry.leakTrace} set to {@code true}, the warning about an owner that was never closed
 * tells where it was opened.
 *
 * <p>Nothing is loaded before it is needed. Loading libtorch takes about a quarter of a second.
 */
public final class Torchferry {

    private Torchferry() {
    }

    /**
     * Torchferry's version, as built into its native library.
     *
     * @throws NativeLibraryException when that cannot be loaded
     */
    public static String version() {
        NativeLoader.format();
        return Utf8.decode(FormatNative.version());
    }

    /** The platform as native libraries are named for it: {@code "linux-x86_64"}. */
    public static String platform() {
        return NativeLoader.platform();
    }

    /**
     * Whether libtorch could be loaded; loads it when that was not tried yet. The reason why not is in
     * {@link #attempts}.
     */
    public static boolean isLibtorchAvailable() {
        return NativeLoader.tryTorch();
    }

    /**
     * The version of the libtorch that runs: {@code "2.13.0"}.
     *
     * @throws NativeLibraryException when it cannot be loaded
     */
    public static String libtorchVersion() {
        NativeLoader.torch();
        return new PackReader(TorchNative.libtorchVersions()).string();
    }

    /**
     * The version of the libtorch that Torchferry was built with.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static String libtorchBuildVersion() {
        NativeLoader.torch();
        PackReader versions = new PackReader(TorchNative.libtorchVersions());
        versions.string();
        return versions.string();
    }

    /** The folder of the loaded libtorch's libraries; empty when it is not loaded. */
    public static Optional<Path> libtorchFolder() {
        return NativeLoader.libtorchFolder();
    }

    /** What was tried to load the native libraries so far, in order, each with its outcome. */
    public static List<String> attempts() {
        return NativeLoader.attempts();
    }
}
