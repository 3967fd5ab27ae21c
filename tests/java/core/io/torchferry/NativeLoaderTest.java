package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Finding and loading the native libraries, in JVMs of their own where the outcome stays for a process. */
class NativeLoaderTest {
    private static String natives() {
        return "-Dtorchferry.native.dir=" + System.getProperty("torchferry.native.dir");
    }

    /** Opens a checkpoint without libtorch, then asks for a state dict. */
    static final class WithoutLibtorch {
        public static void main(String[] arguments) throws IOException {
            try (Checkpoint file = Checkpoint.open(Path.of(arguments[0]))) {
                System.out.println("digest " + file.digest(file.tensors().get(0), "SHA-256"));
                System.out.println("root " + file.root());
                System.out.println("bytes " + file.bytes(file.tensors().get(0)).getFloat(8));
                System.out.println("libtorch mapped: " + Fixtures.maps().contains("libtorch_cpu"));
                System.out.println("plan " + file.plan(LoadOptions.defaults()).bytesByDevice());
                System.out.println("available: " + Torchferry.isLibtorchAvailable());
                file.stateDict().close();
            } catch (NativeLibraryException e) {
                System.out.println("refused: " + e.getMessage());
                System.out.println("attempts: " + e.attempts().size());
                System.out.println("again: " + secondMessage().equals(e.getMessage()));
            }
        }

        private static String secondMessage() {
            try {
                return "devices: " + Device.cudaCount();
            } catch (NativeLibraryException e) {
                return e.getMessage();
            }
        }
    }

    @Test
    void checkpointsNeedNoLibtorch() throws Exception {
        Fixtures.Outcome outcome = Fixtures.fork(WithoutLibtorch.class,
                List.of(natives(), "-Dtorchferry.libtorch=/nowhere", "-Xcheck:jni"),
                Fixtures.file("golden_zip.pt").toString());
        String said = outcome.output();
        assertEquals(0, outcome.status(), said);
        assertTrue(said.contains("digest 75664b4da1c08de9"), said);
        assertTrue(said.contains("root {'a': tensor(..., size=(3,)"), said);
        assertTrue(said.contains("bytes 2.0"), said);
        assertTrue(said.contains("libtorch mapped: false"), said);
        assertTrue(said.contains("plan {cpu=12}"), said);
        assertTrue(said.contains("available: false"), said);
        assertTrue(said.contains("refused: libtorch could not be loaded (" + NativeLoader.platform()), said);
        assertTrue(said.contains("property torchferry.libtorch = /nowhere: there is no such folder"), said);
        assertTrue(said.contains("Set -Dtorchferry.libtorch=FOLDER"), said);
        assertTrue(said.contains("attempts: 1"), said);
        assertTrue(said.contains("again: true"), said);
        assertFalse(said.contains("WARNING in native method"), said);
    }

    /** Tells what is mapped before and after libtorch is needed. */
    static final class Lazily {
        public static void main(String[] arguments) throws IOException {
            try (Checkpoint file = Checkpoint.open(Path.of(arguments[0]))) {
                System.out.println("format: " + Fixtures.maps().contains("libtorchferry_format_jni.so"));
                System.out.println("torch before: " + Fixtures.maps().contains("libtorch_"));
                try (StateDict dict = file.stateDict()) {
                    System.out.println("value " + dict.get("a").toFloatArray()[2]);
                }
                System.out.println("torch after: " + Fixtures.maps().contains("libtorch_cpu.so"));
            }
        }
    }

    @Test
    void librariesAreLoadedWhenNeededAndNotBefore() throws Exception {
        Fixtures.Outcome outcome = Fixtures.fork(Lazily.class, List.of(natives(),
                "-Dtorchferry.libtorch=" + Fixtures.libtorch()),
                Fixtures.file("golden_zip.pt").toString());
        assertEquals(0, outcome.status(), outcome.output());
        assertEquals("format: true\ntorch before: false\nvalue 2.0\ntorch after: true\n", outcome.output());
    }

    @Test
    void anExplicitFolderOfOurOwnLibrariesNeverFallsBack(@TempDir Path empty) throws Exception {
        Fixtures.Outcome outcome = Fixtures.fork(Lazily.class, List.of("-Dtorchferry.native.dir=" + empty),
                Fixtures.file("golden_zip.pt").toString());
        assertEquals(1, outcome.status());
        assertTrue(outcome.output().contains("NativeLibraryException: Torchferry's format library "
                + "libtorchferry_format_jni.so could not be loaded (" + NativeLoader.platform()), outcome.output());
        assertTrue(outcome.output().contains("property torchferry.native.dir: there is no " + empty), outcome.output());
    }

    @Test
    void librariesThatAreDamagedAreTold(@TempDir Path folder) throws Exception {
        Files.writeString(folder.resolve("libtorchferry_format_jni.so"), "not a library");
        Fixtures.Outcome outcome = Fixtures.fork(Lazily.class, List.of("-Dtorchferry.native.dir=" + folder),
                Fixtures.file("golden_zip.pt").toString());
        assertEquals(1, outcome.status());
        assertTrue(outcome.output().contains("NativeLibraryException"), outcome.output());
        assertTrue(outcome.output().contains("libtorchferry_format_jni.so"), outcome.output());
    }

    @Test
    void anotherVersionOfLibtorchIsRefusedBeforeItIsLoaded(@TempDir Path folder) throws Exception {
        Files.createDirectories(folder.resolve("lib"));
        Files.writeString(folder.resolve("lib/libtorch_cpu.so"), "not loaded");
        Files.writeString(folder.resolve("version.py"), "__version__ = '1.13.1+cpu'\n");
        Path recorded = Files.createDirectories(folder.resolve("classes/io/torchferry"));
        Files.writeString(recorded.resolve("libtorch.properties"), "folder=/none\nversion=2.13.0\n");
        List<String> arguments = List.of(
                "-cp", String.join(java.io.File.pathSeparator, folder.resolve("classes").toString(),
                        Fixtures.classes().toString(), testClasses().toString()),
                natives(), "-Dtorchferry.libtorch=" + folder, Lazily.class.getName(),
                Fixtures.file("golden_zip.pt").toString());
        String said = Fixtures.java(arguments).output();
        assertTrue(said.contains("it is libtorch 1.13.1, but this Torchferry was built with libtorch 2.13.0 and needs "
                + "the same major and minor version"), said);
        assertTrue(said.contains("pip install torch==2.13.*"), said);
    }

    /** The libraries' own check, for a libtorch whose folder does not tell its version: here one that lies. */
    @Test
    void theVersionIsCheckedAgainWhenTheLibraryIsLoaded(@TempDir Path folder) throws Exception {
        Path source = Files.writeString(folder.resolve("version.cpp"),
                "extern \"C\" unsigned long aoti_torch_abi_version() { return 1ul << 56 | 13ul << 48; }\n");
        Path library = folder.resolve("version.so");
        Process compiler = new ProcessBuilder("g++", "-shared", "-fPIC", "-o", library.toString(), source.toString())
                .inheritIO().start();
        assertEquals(0, compiler.waitFor());
        Fixtures.Outcome outcome = Fixtures.java(Map.of("LD_PRELOAD", library.toString()), List.of(
                "-cp", Fixtures.classes() + java.io.File.pathSeparator + testClasses(), natives(),
                "-Dtorchferry.libtorch=" + Fixtures.libtorch(), Lazily.class.getName(),
                Fixtures.file("golden_zip.pt").toString()));
        assertEquals(1, outcome.status(), outcome.output());
        assertTrue(outcome.output().contains("the libtorch loaded is 1.13.0, but this Torchferry was built with "
                + "libtorch " + Torchferry.libtorchBuildVersion()), outcome.output());
    }

    @Test
    void bothLibrariesAreOfOneBuild() {
        NativeLoader.torch();
        assertEquals(Utf8.decode(FormatNative.buildId()), Utf8.decode(TorchNative.buildId()));
        assertTrue(Utf8.decode(FormatNative.buildId()).contains("layout"));
    }

    @Test
    void aLibraryFromAJarIsUnpackedOnceUnderItsHash(@TempDir Path cache) throws IOException {
        byte[] content = {1, 2, 3};
        Path first = PackagedLibrary.unpack(content, "lib.so", cache);
        Path again = PackagedLibrary.unpack(content, "lib.so", cache);
        Path other = PackagedLibrary.unpack(new byte[] {4}, "lib.so", cache);
        assertEquals(first, again);
        assertFalse(first.equals(other));
        assertEquals(3, Files.size(first));
        Files.write(first, new byte[] {9, 9, 9});
        assertEquals(first, PackagedLibrary.unpack(content, "lib.so", cache));
        assertEquals(1, Files.readAllBytes(first)[0]);
        try (Stream<Path> left = Files.list(first.getParent())) {
            assertEquals(1, left.count());
        }
    }

    @Test
    void classesInAJarBringTheirLibrary(@TempDir Path folder) throws Exception {
        Path jar = jar(folder.resolve("torchferry test.jar"));
        Fixtures.Outcome outcome = Fixtures.java(List.of("-Dtorchferry.cache=" + folder.resolve("cache"),
                "-Dtorchferry.libtorch=/nowhere", "-cp", jar + java.io.File.pathSeparator + testClasses(),
                WithoutLibtorch.class.getName(), Fixtures.file("golden_zip.pt").toString()));
        assertEquals(0, outcome.status(), outcome.output());
        assertTrue(outcome.output().contains("digest 75664b4da1c08de9"), outcome.output());
        try (Stream<Path> cached = Files.walk(folder.resolve("cache"))) {
            assertEquals(1, cached.filter(Files::isRegularFile).count());
        }
    }

    /** The classes and the format library as they are published. */
    private static Path jar(Path jar) throws IOException {
        String resource = PackagedLibrary.resource(System.mapLibraryName("torchferry_format_jni")).substring(1);
        try (var out = new java.util.jar.JarOutputStream(Files.newOutputStream(jar));
                Stream<Path> files = Files.walk(Fixtures.classes())) {
            for (Path file : files.filter(file -> file.toString().endsWith(".class")).toList()) {
                out.putNextEntry(new java.util.zip.ZipEntry(
                        Fixtures.classes().relativize(file).toString().replace('\\', '/')));
                Files.copy(file, out);
            }
            out.putNextEntry(new java.util.zip.ZipEntry(resource));
            Files.copy(Path.of(System.getProperty("torchferry.native.dir"),
                    System.mapLibraryName("torchferry_format_jni")), out);
        }
        return jar;
    }

    /** A home and a cache that cannot be written to: nothing is left behind. */
    @Test
    void withoutACacheTheLibraryIsUnpackedForThisProcessAlone(@TempDir Path folder) throws Exception {
        Path temporary = Files.createDirectories(folder.resolve("tmp"));
        Files.writeString(folder.resolve("file"), "not a folder");
        Path jar = jar(folder.resolve("torchferry.jar"));
        Fixtures.Outcome outcome = Fixtures.java(Map.of("XDG_CACHE_HOME", folder.resolve("file").toString()),
                List.of("-Djava.io.tmpdir=" + temporary, "-Dtorchferry.libtorch=/nowhere", "-cp",
                        jar + java.io.File.pathSeparator + testClasses(), WithoutLibtorch.class.getName(),
                        Fixtures.file("golden_zip.pt").toString()));
        assertEquals(0, outcome.status(), outcome.output());
        assertTrue(outcome.output().contains("digest 75664b4da1c08de9"), outcome.output());
        try (Stream<Path> left = Files.list(temporary)) {
            assertEquals(List.of(), left.filter(path -> path.toString().contains("torchferry-native")).toList());
        }
    }

    private static Path testClasses() throws Exception {
        return Path.of(NativeLoaderTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    }
}
