package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Where libtorch may be, in order, and which of its files are loaded in which order. */
final class LibtorchSearch {
    static final String PROPERTY = "torchferry.libtorch";
    private static final List<String> VARIABLES = List.of("TORCHFERRY_LIBTORCH", "LIBTORCH");
    private static final Pattern VERSION = Pattern.compile("(\\d+)\\.(\\d+)(\\.\\d+)?");

    /** The property's value that means the jars on the class path, and nothing else. */
    private static final String JARS = "classpath";

    /** Looks at a place; empty when there is nothing in it. */
    @FunctionalInterface
    interface Lookup {
        Optional<Candidate> look() throws IOException;
    }

    /**
     * A place that libtorch may be in.
     *
     * @param name what to call it in messages
     * @param explicit whether the user named it: then no other place is tried
     * @param lookup called when its turn comes
     */
    record Place(String name, boolean explicit, Lookup lookup) {
    }

    /**
     * A libtorch that was found.
     *
     * @param where the folder or jar, for messages
     * @param folder of its libraries
     * @param refusal why it is not used; null when it may be. Nothing of libtorch is loaded to find out: what is
     *     loaded cannot be unloaded
     * @param libraries in the order in which they are loaded
     * @param cache where they were unpacked to; null when they were not
     */
    record Candidate(String where, Path folder, String refusal, List<Library> libraries, LibraryCache cache) {
        static Candidate refused(String where, String refusal) {
            return new Candidate(where, null, refusal, List.of(), null);
        }
    }

    /**
     * A file to load.
     *
     * @param required whether libtorch is of no use without it
     */
    record Library(Path file, boolean required) {
    }

    private LibtorchSearch() {
    }

    static List<Place> places() {
        List<Place> places = new ArrayList<>();
        String property = System.getProperty(PROPERTY, "");
        if (property.equals(JARS)) {
            places.addAll(jars(true));
        } else if (!property.isEmpty()) {
            places.add(named("property " + PROPERTY, property));
        }
        for (String variable : VARIABLES) {
            String folder = System.getenv(variable);
            if (folder != null && !folder.isEmpty()) {
                places.add(named("environment variable " + variable, folder));
            }
        }
        places.addAll(jars(false));
        places.add(new Place("libtorch of the build", false, () -> recorded().map(LibtorchSearch::in)));
        places.add(new Place("torch of python3", false, () -> pythons().map(LibtorchSearch::in)));
        return places;
    }

    private static Place named(String name, String folder) {
        return new Place(name, true, () -> Optional.of(in(Path.of(folder).toAbsolutePath())));
    }

    /** The CUDA build is looked for first; where it lacks CUDA's libraries the other one may serve. */
    private static List<Place> jars(boolean explicit) {
        return List.of(
                new Place("org.bytedeco:pytorch for CUDA on the class path", false, () -> LibtorchJars.look(true)),
                new Place("org.bytedeco:pytorch on the class path", explicit, () -> LibtorchJars.look(false)));
    }

    private static Candidate in(Path folder) {
        String refusal = refusal(folder);
        Path libraries = libraries(folder);
        return new Candidate(folder.toString(), libraries, refusal,
                refusal == null ? loadOrder(libraries) : List.of(), null);
    }

    /** The libtorch that something else has loaded into this process; a process can have only one. */
    static Optional<Path> resident() {
        String library = System.mapLibraryName("torch_cpu");
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"), StandardCharsets.ISO_8859_1)) {
            return maps.filter(line -> line.contains("/" + library)).findFirst()
                    .map(line -> Path.of(line.substring(line.indexOf('/'), line.indexOf("/" + library))));
        } catch (IOException | UncheckedIOException e) {
            // Not Linux: the linker's own message has to do.
            return Optional.empty();
        }
    }

    /** The version of libtorch that Torchferry's own libraries were compiled against; empty when they do not tell. */
    static Optional<String> builtVersion() {
        return beside("libtorch.properties", "version");
    }

    private static Optional<Path> recorded() {
        return beside("libtorch-folder.properties", "folder").map(Path::of).filter(Files::isDirectory);
    }

    /** What a file beside Torchferry's own libraries tells. */
    private static Optional<String> beside(String file, String key) {
        Properties properties = new Properties();
        try (InputStream in = NativeLoader.beside(file)) {
            if (in != null) {
                properties.load(in);
            }
        } catch (IOException e) {
            // As if it were not there: what it would tell is checked again, or found elsewhere.
            return Optional.empty();
        }
        return Optional.ofNullable(properties.getProperty(key)).filter(text -> !text.isBlank());
    }

    private static Optional<Path> pythons() {
        String script = "import importlib.util as u; s = u.find_spec('torch'); "
                + "print(s.submodule_search_locations[0] if s else '')";
        try {
            Process python = new ProcessBuilder("python3", "-c", script)
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
            python.getOutputStream().close();
            if (!python.waitFor(10, TimeUnit.SECONDS)) {
                python.destroyForcibly();
                return Optional.empty();
            }
            String folder = new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return folder.isEmpty() ? Optional.empty() : Optional.of(Path.of(folder));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** The folder of the libraries: {@code folder/lib}, or the folder itself. */
    static Path libraries(Path folder) {
        Path lib = folder.resolve("lib");
        return Files.exists(lib.resolve(System.mapLibraryName("torch_cpu"))) ? lib : folder;
    }

    private static String refusal(Path folder) {
        if (!Files.isDirectory(folder)) {
            return "there is no such folder";
        }
        Path torch = libraries(folder).resolve(System.mapLibraryName("torch_cpu"));
        if (!Files.exists(torch)) {
            return "there is no " + torch.getFileName() + " in it or in its lib";
        }
        Optional<String> wanted = builtVersion();
        Optional<String> found = versionOf(folder);
        if (wanted.isEmpty() || found.isEmpty() || sameMinor(wanted.get(), found.get())) {
            return null;
        }
        return otherVersion(found.get(), wanted.get());
    }

    static String otherVersion(String found, String wanted) {
        return "it is libtorch " + found + ", but this Torchferry was built with libtorch " + wanted
                + " and needs the same major and minor version";
    }

    private static Optional<String> versionOf(Path folder) {
        Path root = folder.endsWith("lib") ? folder.toAbsolutePath().getParent() : folder;
        for (String file : List.of("version.py", "build-version")) {
            try {
                Matcher version = VERSION.matcher(Files.readString(root.resolve(file), StandardCharsets.ISO_8859_1));
                if (version.find()) {
                    return Optional.of(version.group());
                }
            } catch (IOException e) {
                // Not every libtorch has this file; the library itself is asked once it is loaded.
                continue;
            }
        }
        return Optional.empty();
    }

    static boolean sameMinor(String one, String other) {
        Matcher a = VERSION.matcher(one);
        Matcher b = VERSION.matcher(other);
        return a.find() && b.find() && a.group(1).equals(b.group(1)) && a.group(2).equals(b.group(2));
    }

    private static List<Library> loadOrder(Path libraries) {
        List<Library> order = new ArrayList<>();
        for (String needed : List.of("libgomp*.so*", "libquadmath*.so*", "libgfortran*.so*", "libopenblas*.so*")) {
            try (DirectoryStream<Path> found = Files.newDirectoryStream(libraries, needed)) {
                found.forEach(file -> order.add(new Library(file, false)));
            } catch (IOException e) {
                // The system's serve as well.
                continue;
            }
        }
        // libtorch_cuda must come before anything asks for CUDA: libtorch remembers that there was none.
        for (String name : List.of("c10", "torch_cpu", "c10_cuda", "torch_cuda")) {
            Path file = libraries.resolve(System.mapLibraryName(name));
            boolean cuda = name.endsWith("cuda");
            if (!cuda || Files.exists(file)) {
                order.add(new Library(file, !cuda));
            }
        }
        return order;
    }

    /** What to do when no place has a libtorch. */
    static String cure() {
        Matcher version = VERSION.matcher(builtVersion().orElse(""));
        String wanted = version.find() ? version.group(1) + "." + version.group(2) : null;
        return "Set -D" + PROPERTY + "=FOLDER, or the environment variable LIBTORCH, to the folder of a libtorch"
                + (wanted == null ? "" : " " + wanted) + " (it contains lib/" + System.mapLibraryName("torch_cpu")
                + "); `pip install torch" + (wanted == null ? "" : "==" + wanted + ".*") + "` brings one. Or add "
                + LibtorchJars.PYTORCH + ":" + NativeLoader.platform() + " and " + LibtorchJars.BLAS + ":"
                + NativeLoader.platform() + " to the class path.";
    }
}
