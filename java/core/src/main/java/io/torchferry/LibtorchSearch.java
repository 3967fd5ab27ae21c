package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where libtorch may be, in order, and which of its files are loaded in which order. */
final class LibtorchSearch {
    static final String PROPERTY = "torchferry.libtorch";
    private static final List<String> VARIABLES = List.of("TORCHFERRY_LIBTORCH", "LIBTORCH");
    private static final Pattern VERSION = Pattern.compile("(\\d+)\\.(\\d+)(\\.\\d+)?");

    /**
     * A place that libtorch may be in.
     *
     * @param name what to call it in messages
     * @param explicit whether the user named it: then no other place is tried
     * @param folder the folder, looked up when its turn comes
     */
    record Place(String name, boolean explicit, Supplier<Optional<Path>> folder) {
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
        add(places, "property " + PROPERTY, System.getProperty(PROPERTY));
        for (String variable : VARIABLES) {
            add(places, "environment variable " + variable, System.getenv(variable));
        }
        places.add(new Place("libtorch of the build", false, LibtorchSearch::recorded));
        places.add(new Place("torch of python3", false, LibtorchSearch::pythons));
        return places;
    }

    private static void add(List<Place> places, String name, String folder) {
        if (folder != null && !folder.isEmpty()) {
            places.add(new Place(name, true, () -> Optional.of(Path.of(folder).toAbsolutePath())));
        }
    }

    /** What the build wrote down: the keys {@code folder} and {@code version} of the libtorch it compiled against. */
    static Properties built() {
        Properties properties = new Properties();
        try (InputStream in = LibtorchSearch.class.getResourceAsStream("/io/torchferry/libtorch.properties")) {
            if (in != null) {
                properties.load(in);
            }
        } catch (IOException e) {
            // Without the record there is one place less to look in.
            return new Properties();
        }
        return properties;
    }

    private static Optional<Path> recorded() {
        String folder = built().getProperty("folder");
        return folder == null || folder.isBlank() ? Optional.empty()
                : Optional.of(Path.of(folder)).filter(Files::isDirectory);
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

    /** Why this folder is not used, or null. Nothing is loaded to find out: what is loaded cannot be unloaded. */
    static String refusal(Path folder) {
        if (!Files.isDirectory(folder)) {
            return "there is no such folder";
        }
        Path torch = libraries(folder).resolve(System.mapLibraryName("torch_cpu"));
        if (!Files.exists(torch)) {
            return "there is no " + torch.getFileName() + " in it or in its lib";
        }
        String wanted = built().getProperty("version");
        Optional<String> found = versionOf(folder);
        if (wanted == null || found.isEmpty() || sameMinor(wanted, found.get())) {
            return null;
        }
        return "it is libtorch " + found.get() + ", but this Torchferry was built with libtorch " + wanted
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

    private static boolean sameMinor(String one, String other) {
        Matcher a = VERSION.matcher(one);
        Matcher b = VERSION.matcher(other);
        return a.find() && b.find() && a.group(1).equals(b.group(1)) && a.group(2).equals(b.group(2));
    }

    static List<Library> loadOrder(Path libraries) {
        List<Library> order = new ArrayList<>();
        try (DirectoryStream<Path> openmp = Files.newDirectoryStream(libraries, "libgomp*.so*")) {
            openmp.forEach(file -> order.add(new Library(file, false)));
        } catch (IOException e) {
            // The system's OpenMP library serves as well.
            order.clear();
        }
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
        Matcher version = VERSION.matcher(built().getProperty("version", ""));
        String wanted = version.find() ? version.group(1) + "." + version.group(2) : null;
        return "Set -D" + PROPERTY + "=FOLDER, or the environment variable LIBTORCH, to the folder of a libtorch"
                + (wanted == null ? "" : " " + wanted) + " (it contains lib/" + System.mapLibraryName("torch_cpu")
                + "); `pip install torch" + (wanted == null ? "" : "==" + wanted + ".*") + "` brings one.";
    }
}
