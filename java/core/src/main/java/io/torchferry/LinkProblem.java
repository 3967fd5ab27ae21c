package io.torchferry;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the dynamic linker's messages mean, and what to do about each. */
final class LinkProblem {
    private static final Pattern VERSION = Pattern.compile("version `(GLIBC|GLIBCXX|CXXABI)_([0-9.]+)' not found");
    private static final Pattern MISSING = Pattern.compile(
            "([\\w.+-]+): cannot open shared object file|shared library ([\\w.+-]+): No such file");

    private LinkProblem() {
    }

    /** The linker's message, with the cure behind it where one is known. */
    static String explained(String message, boolean musl) {
        return cure(message, musl).map(cure -> message + " (" + cure + ")").orElse(message);
    }

    private static Optional<String> cure(String message, boolean musl) {
        if (musl || message.contains("musl")) {
            return Optional.of("musl and glibc cannot be mixed, and libtorch and Torchferry's libraries need glibc: use "
                    + "a Java run time for glibc, in a container one based on Debian, Ubuntu or Red Hat, not Alpine");
        }
        Matcher version = VERSION.matcher(message);
        if (version.find()) {
            return Optional.of(version.group(1).equals("GLIBC")
                    ? "the C library of this machine is older than glibc " + version.group(2) + ": use a newer system, or "
                            + "a libtorch that needs less; the one of `pip install torch` needs glibc 2.28"
                    : "the C++ library of this machine, libstdc++, is too old: use a newer system or its newer libstdc++6");
        }
        Matcher missing = MISSING.matcher(message);
        if (missing.find()) {
            return missing(missing.group(1) == null ? missing.group(2) : missing.group(1));
        }
        if (message.contains("failed to map segment") || message.contains("Operation not permitted")) {
            return Optional.of("the file system does not allow libraries to be loaded, it may be mounted noexec: name a "
                    + "folder elsewhere with -D" + LibraryCache.PROPERTY + "=FOLDER");
        }
        if (message.contains("undefined symbol")) {
            return Optional.of("libraries of different versions are mixed: look for another libtorch in LD_LIBRARY_PATH, "
                    + "LD_PRELOAD and the folder itself");
        }
        if (message.contains("ELF") || message.contains("file too short")) {
            return Optional.of("the file is damaged, or made for another processor than " + NativeLoader.platform());
        }
        return Optional.empty();
    }

    private static Optional<String> missing(String library) {
        if (library.startsWith("libopenblas")) {
            return Optional.of("the linear algebra of this libtorch is missing: add " + LibtorchJars.BLAS
                    + ":" + NativeLoader.platform() + " to the class path, or install OpenBLAS");
        }
        if (library.matches("lib(cu|nccl|nv).*")) {
            return Optional.of("a library of CUDA is missing: install it (`pip install torch` brings all it needs), name "
                    + "its folder in LD_LIBRARY_PATH before Java starts, or use a libtorch for the CPU");
        }
        if (library.startsWith("libgomp")) {
            return Optional.of("the OpenMP run time is missing: install libgomp1 (Debian, Ubuntu) or libgomp (Red Hat)");
        }
        return library.startsWith("ld-linux") ? Optional.of("this Java runs without glibc; use one for glibc")
                : Optional.empty();
    }
}
