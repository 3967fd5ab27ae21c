package io.torchferry;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Loads Torchferry's two native libraries, each when it is first needed: the format library alone, and the one on
 * libtorch, with libtorch before it. Keeps every attempt and its outcome, and fails with all of them in one message.
 */
final class NativeLoader {
    static final String DIRECTORY_PROPERTY = "torchferry.native.dir";
    private static final String FORMAT = "torchferry_format_jni";
    private static final String TORCH = "torchferry_jni";

    private static final List<String> ATTEMPTS = new ArrayList<>();
    private static volatile boolean formatLoaded;
    private static volatile boolean torchLoaded;
    private static NativeLibraryException formatFailure;
    private static NativeLibraryException torchFailure;
    private static Path libtorch;

    private NativeLoader() {
    }

    /** The one place of the naming scheme {@code OS-ARCHITECTURE}; the build's {@code cmake/} uses the same names. */
    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        String system = os.startsWith("mac") ? "macos" : os.startsWith("windows") ? "windows" : os;
        return system.replace(' ', '_') + "-" + (arch.equals("amd64") ? "x86_64" : arch);
    }

    /**
     * Makes {@link FormatNative} usable.
     *
     * @throws NativeLibraryException when the library cannot be loaded
     */
    static void format() {
        if (!formatLoaded) {
            loadFormat();
        }
    }

    /**
     * Makes {@link FormatNative} and {@link TorchNative} usable.
     *
     * @throws NativeLibraryException when libtorch or the library cannot be loaded
     */
    static void torch() {
        if (!torchLoaded) {
            loadTorch();
        }
    }

    /** Like {@link #torch}, telling whether it went well. */
    static boolean tryTorch() {
        try {
            torch();
            return true;
        } catch (NativeLibraryException e) {
            return false;
        }
    }

    static synchronized List<String> attempts() {
        return List.copyOf(ATTEMPTS);
    }

    static synchronized Optional<Path> libtorchFolder() {
        return Optional.ofNullable(libtorch);
    }

    private static synchronized void loadFormat() {
        if (formatLoaded) {
            return;
        }
        if (formatFailure != null) {
            throw again(formatFailure);
        }
        int first = ATTEMPTS.size();
        if (!loadOwn(FORMAT)) {
            formatFailure = failure("Torchferry's format library " + System.mapLibraryName(FORMAT), first,
                    "Set -D" + DIRECTORY_PROPERTY + "=FOLDER to the folder that contains it, or use the jar built for "
                            + "this platform.");
            throw again(formatFailure);
        }
        formatLoaded = true;
    }

    private static synchronized void loadTorch() {
        if (torchLoaded) {
            return;
        }
        format();
        if (torchFailure != null) {
            throw again(torchFailure);
        }
        int first = ATTEMPTS.size();
        boolean found = false;
        for (LibtorchSearch.Place place : LibtorchSearch.places()) {
            if (tryLibtorch(place)) {
                found = true;
                break;
            }
            if (place.explicit()) {
                break;
            }
        }
        if (!found || !loadOwn(TORCH) || !sameBuild()) {
            torchFailure = failure("libtorch", first, LibtorchSearch.cure());
            throw again(torchFailure);
        }
        torchLoaded = true;
    }

    private static boolean tryLibtorch(LibtorchSearch.Place place) {
        Optional<Path> folder = place.folder().get();
        if (folder.isEmpty()) {
            ATTEMPTS.add(place.name() + ": none");
            return false;
        }
        String label = place.name() + " = " + folder.get() + ": ";
        String refusal = LibtorchSearch.refusal(folder.get());
        if (refusal != null) {
            ATTEMPTS.add(label + refusal);
            return false;
        }
        Path libraries = LibtorchSearch.libraries(folder.get());
        // libtorch_cuda must come before anything asks for CUDA: libtorch remembers that there was none.
        for (LibtorchSearch.Library library : LibtorchSearch.loadOrder(libraries)) {
            try {
                System.load(library.file().toString());
            } catch (UnsatisfiedLinkError e) {
                ATTEMPTS.add(label + e.getMessage());
                if (library.required()) {
                    return false;
                }
            }
        }
        ATTEMPTS.add(label + "loaded");
        libtorch = libraries;
        return true;
    }

    private static boolean sameBuild() {
        String format = Utf8.decode(FormatNative.buildId());
        String torch = Utf8.decode(TorchNative.buildId());
        if (!format.equals(torch)) {
            ATTEMPTS.add("the two libraries of Torchferry are of different builds: " + format + " and " + torch);
        }
        return format.equals(torch);
    }

    private static boolean loadOwn(String library) {
        String file = System.mapLibraryName(library);
        String directory = System.getProperty(DIRECTORY_PROPERTY);
        if (directory != null) {
            return load("property " + DIRECTORY_PROPERTY, Path.of(directory, file).toAbsolutePath());
        }
        try {
            Optional<Path> found = PackagedLibrary.locate(file);
            if (found.isEmpty()) {
                ATTEMPTS.add("class path: there is no " + PackagedLibrary.resource(file));
                return false;
            }
            boolean loaded = load("class path", found.get());
            PackagedLibrary.done(found.get());
            return loaded;
        } catch (java.io.IOException e) {
            ATTEMPTS.add("class path: " + file + " cannot be unpacked: " + e);
            return false;
        }
    }

    private static boolean load(String origin, Path file) {
        if (!Files.exists(file)) {
            ATTEMPTS.add(origin + ": there is no " + file);
            return false;
        }
        try {
            System.load(file.toString());
            ATTEMPTS.add(origin + ": " + file + ": loaded");
            return true;
        } catch (UnsatisfiedLinkError e) {
            ATTEMPTS.add(origin + ": " + e.getMessage());
            return false;
        }
    }

    private static NativeLibraryException failure(String what, int first, String cure) {
        List<String> tried = List.copyOf(ATTEMPTS.subList(first, ATTEMPTS.size()));
        StringBuilder message = new StringBuilder(what + " could not be loaded (" + platform() + ", Java "
                + System.getProperty("java.version") + "). Tried:");
        tried.forEach(attempt -> message.append("\n  ").append(attempt));
        return new NativeLibraryException(message.append("\n").append(cure).toString(), tried);
    }

    /** The failure is remembered, the stack trace is the caller's. */
    private static NativeLibraryException again(NativeLibraryException failure) {
        return new NativeLibraryException(failure.getMessage(), failure.attempts());
    }
}
