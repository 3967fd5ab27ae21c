package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarOutputStream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every way in which loading libtorch fails, provoked with small libraries of the same names, each in a JVM of its own:
 * the linker's message and the cure behind it.
 */
class LibtorchFailuresTest {
    @TempDir
    private static Path folder;
    private static final String GOOD = "good";

    /** Asks for libtorch and prints what came of it. */
    static final class Ask {
        public static void main(String[] arguments) {
            boolean available = Torchferry.isLibtorchAvailable();
            System.out.println("available: " + available);
            try {
                System.out.println("version " + Torchferry.libtorchVersion());
            } catch (NativeLibraryException e) {
                System.out.println("refused: " + e.getMessage());
            }
        }
    }

    @BeforeAll
    static void compile() throws Exception {
        NativeLoader.format();
        Files.writeString(folder.resolve("empty.c"), "int torchferry_test_empty;\n");
        Files.writeString(folder.resolve("user.c"), "extern int torchferry_test_symbol; int *p = &torchferry_test_symbol;\n");
        Files.writeString(folder.resolve("symbol.c"), "int torchferry_test_symbol;\n");
        Files.writeString(folder.resolve("future.map"), "GLIBC_9.99 { global: torchferry_test_symbol; };\n");
        for (String name : List.of(GOOD, "blas", "cuda", "glibc", "musl", "mixed", "damaged")) {
            library(name, "c10", "empty.c");
        }
        library(GOOD, "torch_cpu", "empty.c");
        library("blas", "torch_cpu", "empty.c", needed("libopenblas.so.99"));
        library("cuda", "torch_cpu", "empty.c", needed("libcudart.so.99"));
        library("musl", "torch_cpu", "empty.c", needed("libc.musl-x86_64.so.1"));
        library("mixed", "torch_cpu", "user.c");
        Path libc = folder.resolve("libc-of-the-future.so");
        gcc("-o", libc.toString(), "symbol.c", "-Wl,-soname,libc.so.6", "-Wl,--version-script=future.map");
        library("glibc", "torch_cpu", "user.c", libc.toString());
        Files.writeString(folder.resolve("damaged").resolve(System.mapLibraryName("torch_cpu")), "not a library");
    }

    /** A stub that is found when linking and not when loading. */
    private static String needed(String name) throws Exception {
        Path stub = folder.resolve("stub-" + name);
        gcc("-o", stub.toString(), "empty.c", "-Wl,-soname," + name);
        return stub.toString();
    }

    private static void library(String place, String name, String source, String... more) throws Exception {
        Path library = Files.createDirectories(folder.resolve(place)).resolve(System.mapLibraryName(name));
        List<String> arguments = new ArrayList<>(List.of("-o", library.toString(), source,
                "-Wl,-soname," + library.getFileName(), "-Wl,--no-as-needed"));
        arguments.addAll(List.of(more));
        gcc(arguments.toArray(String[]::new));
    }

    private static void gcc(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("g++", "-x", "c++", "-shared", "-fPIC", "-nostdlib"));
        for (String argument : arguments) {
            // What follows a library must not be compiled.
            command.addAll(argument.startsWith("/") && argument.contains(".so") && !command.get(command.size() - 1)
                    .equals("-o") ? List.of("-x", "none", argument) : List.of(argument));
        }
        Process compiler = new ProcessBuilder(command).directory(folder.toFile()).inheritIO().start();
        assertEquals(0, compiler.waitFor(), command.toString());
    }

    private static String ask(Map<String, String> variables, String classPath, String... options) throws Exception {
        List<String> arguments = new ArrayList<>(List.of(
                "-Dtorchferry.native.dir=" + System.getProperty("torchferry.native.dir"),
                "-Dtorchferry.cache=" + folder.resolve("cache"), "-cp",
                Fixtures.classes() + File.pathSeparator + testClasses() + classPath));
        arguments.addAll(List.of(options));
        arguments.add(Ask.class.getName());
        Fixtures.Outcome outcome = Fixtures.java(variables, arguments);
        assertEquals(0, outcome.status(), outcome.output());
        return outcome.output();
    }

    private static void assertRefused(String place, String problem, String cure) throws Exception {
        String said = ask(Map.of(), "", "-Dtorchferry.libtorch=" + folder.resolve(place));
        assertTrue(said.contains("available: false"), said);
        assertTrue(said.contains("property torchferry.libtorch = " + folder.resolve(place) + ": "), said);
        assertTrue(said.contains(problem), said);
        assertTrue(said.contains(cure), said);
        assertFalse(said.contains("python3"), said);
    }

    @Test
    void aMissingBlas() throws Exception {
        assertRefused("blas", "libopenblas.so.99: cannot open shared object file",
                "the linear algebra of this libtorch is missing: add org.bytedeco:openblas:");
    }

    @Test
    void missingCudaLibraries() throws Exception {
        assertRefused("cuda", "libcudart.so.99: cannot open shared object file",
                "a library of CUDA is missing: install it (`pip install torch` brings all it needs)");
    }

    @Test
    void aNewerCLibraryThanTheMachines() throws Exception {
        assertRefused("glibc", "version `GLIBC_9.99' not found",
                "the C library of this machine is older than glibc 9.99: use a newer system");
    }

    @Test
    void aLibraryForMusl() throws Exception {
        assertRefused("musl", "libc.musl-x86_64.so.1: cannot open shared object file",
                "musl and glibc cannot be mixed");
    }

    @Test
    void librariesOfDifferentVersions() throws Exception {
        assertRefused("mixed", "undefined symbol: torchferry_test_symbol",
                "libraries of different versions are mixed: look for another libtorch in LD_LIBRARY_PATH");
    }

    @Test
    void aDamagedFile() throws Exception {
        assertRefused("damaged", "libtorch_cpu.so: file too short", "the file is damaged, or made for another processor");
    }

    /** The libraries load, but they are not the libtorch that Torchferry's own library was linked with. */
    @Test
    void anotherLibtorchOfTheSameNames() throws Exception {
        assertRefused(GOOD, "libtorchferry_jni.so: undefined symbol", "libraries of different versions are mixed");
    }

    /** What this machine cannot provoke: messages as they were seen elsewhere. */
    @Test
    void messagesOfOtherMachines() {
        String alpine = "Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /x.so)";
        assertTrue(LinkProblem.explained(alpine, true).contains("not Alpine"));
        assertTrue(LinkProblem.explained(alpine, false).contains("this Java runs without glibc"));
        assertTrue(LinkProblem.explained("/x.so: failed to map segment from shared object: Operation not permitted", false)
                .contains("mounted noexec: name a folder elsewhere with -Dtorchferry.cache=FOLDER"));
        assertTrue(LinkProblem.explained("/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by /x.so)",
                false).contains("libstdc++, is too old"));
        assertTrue(LinkProblem.explained("libgomp.so.1: cannot open shared object file: No such file or directory",
                false).contains("install libgomp1"));
        assertEquals("something else", LinkProblem.explained("something else", false));
    }

    @Test
    void aSecondLibtorchInOneProcess() throws Exception {
        String said = ask(Map.of("LD_PRELOAD", folder.resolve(GOOD).resolve("libtorch_cpu.so").toString()), "",
                "-Dtorchferry.libtorch=" + Fixtures.libtorch());
        assertTrue(said.contains("available: false"), said);
        assertTrue(said.contains("this process has a libtorch already, from " + folder.resolve(GOOD).toRealPath()), said);
        assertTrue(said.contains("set -Dtorchferry.libtorch=" + folder.resolve(GOOD).toRealPath()), said);
    }

    private static Path jar(String name, Map<String, Path> entries, String version) throws IOException {
        Path jar = folder.resolve(name);
        try (var out = new JarOutputStream(Files.newOutputStream(jar))) {
            for (Map.Entry<String, Path> entry : new TreeMap<>(entries).entrySet()) {
                out.putNextEntry(new ZipEntry(entry.getKey()));
                Files.copy(entry.getValue(), out);
            }
            out.putNextEntry(new ZipEntry("META-INF/maven/org.bytedeco/pytorch/pom.properties"));
            out.write(("version=" + version + "\n").getBytes());
        }
        return jar;
    }

    private static Map<String, Path> torchEntries(String place, String variant) {
        String inJar = "org/bytedeco/pytorch/" + NativeLoader.platform() + variant + "/";
        return Map.of(inJar + "libc10.so", folder.resolve(place).resolve("libc10.so"),
                inJar + "libtorch_cpu.so", folder.resolve(place).resolve("libtorch_cpu.so"));
    }

    private static String built() {
        return LibtorchSearch.builtVersion().orElseThrow() + "-1.5.14";
    }

    @Test
    void jarsOfAnotherVersion() throws Exception {
        Path jar = jar("old.jar", torchEntries(GOOD, ""), "1.13.1-1.5.8");
        String said = ask(Map.of(), File.pathSeparator + jar, "-Dtorchferry.libtorch=classpath");
        assertTrue(said.contains("org.bytedeco:pytorch on the class path = " + jar + ": it is libtorch 1.13.1"), said);
        assertFalse(said.contains("python3"), said);
    }

    @Test
    void twoJarsOfLibtorch() throws Exception {
        Path one = jar("one.jar", torchEntries(GOOD, ""), built());
        Path two = jar("two.jar", torchEntries(GOOD, ""), built());
        String said = ask(Map.of(), File.pathSeparator + one + File.pathSeparator + two,
                "-Dtorchferry.libtorch=classpath");
        assertTrue(said.contains("the class path has 2 of it, keep one: " + one + ", " + two), said);
    }

    @Test
    void jarsWithoutTheirBlas() throws Exception {
        assumeTrue(NativeLoader.open("libopenblas.so.0") != null, "this machine has OpenBLAS");
        Path jar = jar("no-blas.jar", torchEntries(GOOD, ""), built());
        String said = ask(Map.of(), File.pathSeparator + jar, "-Dtorchferry.libtorch=classpath");
        assertTrue(said.contains(jar + ": libopenblas.so.0: cannot open shared object file"), said);
        assertTrue(said.contains("add org.bytedeco:openblas:"), said);
    }

    /** libtorch_cpu of this jar needs a BLAS that is only in the other jar: loaded before it, it is found. */
    @Test
    void jarsAreUnpackedAndLoadedInOrder() throws Exception {
        Path blas = folder.resolve("libopenblas.so.0");
        gcc("-o", blas.toString(), "empty.c", "-Wl,-soname,libopenblas.so.99");
        Path torch = jar("torch.jar", torchEntries("blas", ""), built());
        Path other = jar("blas.jar", Map.of("org/bytedeco/openblas/" + NativeLoader.platform() + "/libopenblas.so.0",
                blas), built());
        String said = ask(Map.of(), File.pathSeparator + torch + File.pathSeparator + other,
                "-Dtorchferry.libtorch=classpath");
        assertTrue(said.contains("org.bytedeco:pytorch on the class path = " + torch + ": loaded"), said);
        assertTrue(said.contains("libtorchferry_jni.so: undefined symbol"), said);
    }

    /** The build for CUDA is refused before anything of it is loaded, and the one for the CPU is taken. */
    @Test
    void theJarForCudaWhereCudaIsMissing() throws Exception {
        String cuda = "libcupti.so.13";
        assumeTrue(NativeLoader.open(cuda) != null, "this machine has CUDA");
        Map<String, Path> entries = new TreeMap<>(torchEntries(GOOD, ""));
        entries.putAll(torchEntries(GOOD, "-gpu"));
        entries.put("org/bytedeco/openblas/" + NativeLoader.platform() + "/libopenblas.so.0",
                folder.resolve(GOOD).resolve("libc10.so"));
        Path jar = jar("both.jar", entries, built());
        String said = ask(Map.of(), File.pathSeparator + jar, "-Dtorchferry.libtorch=classpath");
        assertTrue(said.contains("for CUDA on the class path = " + jar + ": libcu"), said);
        assertTrue(said.contains("a library of CUDA is missing"), said);
        assertTrue(said.contains("org.bytedeco:pytorch on the class path = " + jar + ": loaded"), said);
    }

    @Test
    void theJarsWereChosenButThereAreNone() throws Exception {
        String said = ask(Map.of("LIBTORCH", Fixtures.libtorch().toString()), "", "-Dtorchferry.libtorch=classpath");
        assertTrue(said.contains("available: false"), said);
        assertTrue(said.contains("org.bytedeco:pytorch on the class path: none"), said);
        assertFalse(said.contains("variable LIBTORCH ="), said);
        assertTrue(said.contains("Or add org.bytedeco:pytorch:"), said);
    }

    /** Loads a checkpoint in each of two class loaders of one JVM. */
    static final class TwoLoaders {
        public static void main(String[] arguments) throws Exception {
            URL[] classes = {Fixtures.classes().toUri().toURL(), testClasses().toUri().toURL()};
            for (int i = 0; i < 2; i++) {
                ClassLoader own = new URLClassLoader(classes, ClassLoader.getPlatformClassLoader());
                Method main = own.loadClass(NativeLoaderTest.Lazily.class.getName()).getMethod("main", String[].class);
                main.setAccessible(true);
                main.invoke(null, (Object) arguments);
                System.out.println("loader " + i + " done");
            }
        }
    }

    @Test
    void twoClassLoadersOfOneJvm() throws Exception {
        Fixtures.Outcome outcome = Fixtures.java(List.of(
                "-Dtorchferry.native.dir=" + System.getProperty("torchferry.native.dir"),
                "-Dtorchferry.libtorch=" + Fixtures.libtorch(), "-Dtorchferry.root=" + System.getProperty("torchferry.root"),
                "-cp", Fixtures.classes() + File.pathSeparator + testClasses(), TwoLoaders.class.getName(),
                Fixtures.file("golden_zip.pt").toString()));
        assertEquals(0, outcome.status(), outcome.output());
        assertEquals(2, outcome.output().lines().filter("value 2.0"::equals).count(), outcome.output());
        assertTrue(outcome.output().contains("loader 1 done"), outcome.output());
    }

    private static Path testClasses() {
        return Path.of(URI.create(LibtorchFailuresTest.class.getProtectionDomain().getCodeSource().getLocation()
                .toString()));
    }
}
