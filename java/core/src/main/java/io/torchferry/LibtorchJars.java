package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Properties;

/**
 * The libtorch inside of {@code org.bytedeco:pytorch} of Maven Central, when that is on the class path or among the
 * modules. Of the jars only libtorch's own libraries are used, and nothing of JavaCPP; they are unpacked once.
 */
final class LibtorchJars {
    static final String PYTORCH = "org.bytedeco:pytorch:2.13.0-1.5.14";
    static final String BLAS = "org.bytedeco:openblas:0.3.31-1.5.13";
    private static final String PYTORCH_FOLDER = "org/bytedeco/pytorch/";
    private static final String BLAS_FOLDER = "org/bytedeco/openblas/";
    private static final String VERSION = "META-INF/maven/org.bytedeco/pytorch/pom.properties";
    private static final String BLAS_LIBRARY = "libopenblas.so.0";
    /** Which libraries libtorch_cpu itself needs when it is the build for CUDA. */
    private static final List<String> CUDA_RUN_TIME = List.of("libcudart.so.13", "libcupti.so.13");

    private LibtorchJars() {
    }

    /** The build for CUDA, or the one for the CPU; empty when it is not there. */
    static Optional<LibtorchSearch.Candidate> look(boolean cuda) throws IOException {
        String folder = PYTORCH_FOLDER + NativeLoader.platform() + (cuda ? "-gpu/" : "/");
        URL found = PackagedLibrary.url(folder + System.mapLibraryName("torch_cpu"));
        if (found == null) {
            return Optional.empty();
        }
        String where = jarOf(found);
        String refusal = refusal(folder, cuda);
        return Optional.of(refusal != null ? LibtorchSearch.Candidate.refused(where, refusal)
                : unpacked(where, folder, cuda));
    }

    private static LibtorchSearch.Candidate unpacked(String where, String folder, boolean cuda) throws IOException {
        String blas = BLAS_FOLDER + NativeLoader.platform() + "/";
        List<String> names = new ArrayList<>(List.of(folder + "libgomp.so.1", blas + "libquadmath.so.0",
                blas + "libgfortran.so.5", blas + BLAS_LIBRARY, folder + System.mapLibraryName("c10"),
                folder + System.mapLibraryName("torch_cpu")));
        if (cuda) {
            List.of("c10_cuda", "torch_cuda").forEach(name -> names.add(folder + System.mapLibraryName(name)));
            // Loaded by libtorch_cuda itself, on first use, from its own folder.
            names.add(folder + System.mapLibraryName("torch_cuda_linalg"));
        }
        List<PackagedLibrary> packaged = new ArrayList<>();
        for (String name : names) {
            PackagedLibrary.find(name).ifPresent(packaged::add);
        }
        LibraryCache cache = LibraryCache.choose();
        List<LibtorchSearch.Library> libraries = new ArrayList<>();
        for (java.nio.file.Path file : cache.files(packaged)) {
            String name = file.getFileName().toString();
            if (!name.contains("linalg")) {
                libraries.add(new LibtorchSearch.Library(file, name.contains("c10.") || name.contains("torch_cpu")));
            }
        }
        return new LibtorchSearch.Candidate(where, libraries.get(libraries.size() - 1).file().getParent(), null,
                libraries, cache);
    }

    private static String refusal(String folder, boolean cuda) throws IOException {
        List<URL> all = Collections.list(loader().getResources(folder + System.mapLibraryName("torch_cpu")));
        if (all.size() > 1) {
            return "the class path has " + all.size() + " of it, keep one: "
                    + String.join(", ", all.stream().map(LibtorchJars::jarOf).toList());
        }
        Optional<String> version = version();
        Optional<String> wanted = LibtorchSearch.builtVersion();
        if (version.isPresent() && wanted.isPresent() && !LibtorchSearch.sameMinor(version.get(), wanted.get())) {
            return LibtorchSearch.otherVersion(version.get(), wanted.get());
        }
        if (PackagedLibrary.url(BLAS_FOLDER + NativeLoader.platform() + "/" + BLAS_LIBRARY) == null) {
            String problem = NativeLoader.open(BLAS_LIBRARY);
            if (problem != null) {
                return problem;
            }
        }
        for (String library : cuda ? CUDA_RUN_TIME : List.<String>of()) {
            String problem = NativeLoader.open(library);
            if (problem != null) {
                return problem;
            }
        }
        return null;
    }

    private static ClassLoader loader() {
        ClassLoader own = LibtorchJars.class.getClassLoader();
        return own == null ? ClassLoader.getSystemClassLoader() : own;
    }

    /** As the jar's Maven properties tell it: "2.13.0-1.5.14". */
    private static Optional<String> version() throws IOException {
        URL url = PackagedLibrary.url(VERSION);
        if (url == null) {
            return Optional.empty();
        }
        Properties properties = new Properties();
        try (InputStream in = url.openStream()) {
            properties.load(in);
        }
        return Optional.ofNullable(properties.getProperty("version"));
    }

    /** The jar of a resource, or the resource when it is in none. */
    private static String jarOf(URL url) {
        String text = url.toString();
        int end = text.toLowerCase(Locale.ROOT).indexOf(".jar!");
        return end < 0 ? text : text.substring(0, end + 4).replaceFirst("^jar:(file:)?", "");
    }
}
