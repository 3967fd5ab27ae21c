package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

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

    static boolean isTorchLoaded() {
        return torchLoaded;
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
                    "Add io.torchferry:torchferry-natives with the classifier " + platform() + " to the class path, or set "
                            + "-D" + DIRECTORY_PROPERTY + "=FOLDER to the folder that contains it.");
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
        if (!loadLibtorch() || !loadOwn(TORCH) || !sameBuild()) {
            torchFailure = failure("libtorch", first, LibtorchSearch.cure());
            throw again(torchFailure);
        }
        torchLoaded = true;
    }

    private static boolean loadLibtorch() {
        Optional<Path> resident = LibtorchSearch.resident();
        for (LibtorchSearch.Place place : LibtorchSearch.places()) {
            Optional<LibtorchSearch.Candidate> found = look(place);
            if (found.isPresent() && found.get().refusal() == null) {
                // Whatever comes of it: a second libtorch in the same process would meet the pieces of this one.
                return take(place.name() + " = " + found.get().where() + ": ", found.get(), resident);
            }
            if (place.explicit()) {
                return false;
            }
        }
        return false;
    }

    private static Optional<LibtorchSearch.Candidate> look(LibtorchSearch.Place place) {
        try {
            Optional<LibtorchSearch.Candidate> found = place.lookup().look();
            if (found.isEmpty()) {
                ATTEMPTS.add(place.name() + ": none");
            } else if (found.get().refusal() != null) {
                ATTEMPTS.add(place.name() + " = " + found.get().where() + ": " + found.get().refusal());
            }
            return found;
        } catch (IOException e) {
            ATTEMPTS.add(place.name() + ": " + e.getMessage());
            return Optional.empty();
        }
    }

    private static boolean take(String label, LibtorchSearch.Candidate candidate, Optional<Path> resident) {
        if (resident.isPresent() && !sameFolder(resident.get(), candidate.folder())) {
            ATTEMPTS.add(label + "this process has a libtorch already, from " + resident.get() + ", loaded by another "
                    + "library or class loader, and can have only one: set -D" + LibtorchSearch.PROPERTY + "="
                    + resident.get() + " to use that one");
            return false;
        }
        boolean loaded = openAll(label, candidate.libraries());
        if (candidate.cache() != null) {
            candidate.cache().done();
        }
        if (loaded) {
            ATTEMPTS.add(label + "loaded");
            libtorch = candidate.folder();
        }
        return loaded;
    }

    private static boolean openAll(String label, List<LibtorchSearch.Library> libraries) {
        for (LibtorchSearch.Library library : libraries) {
            String problem = open(library.file().toString());
            if (problem != null) {
                ATTEMPTS.add(label + problem);
                if (library.required()) {
                    return false;
                }
            }
        }
        return true;
    }

    private static boolean sameFolder(Path one, Path other) {
        try {
            return Files.isSameFile(one, other);
        } catch (IOException e) {
            // One of them is gone by now: only equal names tell that it is the same.
            return one.equals(other);
        }
    }

    /** Loads a library that is not ours, by path or by the name the system finds it under; null when it went well. */
    static String open(String library) {
        byte[] problem = FormatNative.openLibrary(Utf8.encode(library));
        return problem == null ? null : LinkProblem.explained(Utf8.decode(problem), isMusl());
    }

    /** Whether this JVM's C library is musl. */
    private static boolean isMusl() {
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"), StandardCharsets.ISO_8859_1)) {
            return maps.anyMatch(line -> line.contains("/ld-musl-"));
        } catch (IOException | UncheckedIOException e) {
            // Not Linux.
            return false;
        }
    }

    private static boolean sameBuild() {
        String format = Utf8.decode(FormatNative.buildId());
        String torch = Utf8.decode(TorchNative.buildId());
        if (!format.equals(torch)) {
            ATTEMPTS.add("the two libraries of Torchferry are of different builds: " + format + " and " + torch);
        }
        return format.equals(torch);
    }

    /** The resource of a file that belongs to Torchferry's own libraries. */
    static String resource(String file) {
        return "io/torchferry/native/" + platform() + "/" + file;
    }

    /** A file beside Torchferry's own libraries; null when there is none. */
    static InputStream beside(String file) throws IOException {
        String directory = System.getProperty(DIRECTORY_PROPERTY);
        if (directory == null) {
            URL url = PackagedLibrary.url(resource(file));
            return url == null ? null : url.openStream();
        }
        Path path = Path.of(directory, file);
        return Files.exists(path) ? Files.newInputStream(path) : null;
    }

    private static boolean loadOwn(String library) {
        String file = System.mapLibraryName(library);
        String directory = System.getProperty(DIRECTORY_PROPERTY);
        if (directory != null) {
            return load("property " + DIRECTORY_PROPERTY, Path.of(directory, file).toAbsolutePath());
        }
        try {
            Optional<PackagedLibrary> found = PackagedLibrary.find(resource(file));
            if (found.isEmpty()) {
                ATTEMPTS.add("class path: there is no " + resource(file));
                return false;
            }
            LibraryCache cache = LibraryCache.choose();
            boolean loaded = load("class path", cache.files(List.of(found.get())).get(0));
            cache.done();
            return loaded;
        } catch (IOException e) {
            ATTEMPTS.add("class path: " + e.getMessage());
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
        } catch (UnsatisfiedLinkError e) {
            boolean other = String.valueOf(e.getMessage()).contains("already loaded in another classloader");
            if (!other || !loadCopy(origin, file)) {
                ATTEMPTS.add(origin + ": " + LinkProblem.explained(String.valueOf(e.getMessage()), isMusl()));
                return false;
            }
        }
        ATTEMPTS.add(origin + ": " + file + ": loaded");
        return true;
    }

    /** The JVM gives a file to one class loader only; each further one gets a copy, with objects of its own. */
    private static boolean loadCopy(String origin, Path file) {
        try {
            Path folder = Files.createTempDirectory("torchferry-natives-");
            Path copy = folder.resolve(file.getFileName());
            try {
                Files.copy(file, copy);
                System.load(copy.toString());
                return true;
            } finally {
                Files.deleteIfExists(copy);
                Files.delete(folder);
            }
        } catch (IOException | UnsatisfiedLinkError e) {
            ATTEMPTS.add(origin + ": a copy for this class loader: "
                    + LinkProblem.explained(String.valueOf(e.getMessage()), isMusl()));
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
