package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
        List<String> arguments = List.of(
                "-cp", Fixtures.classes() + java.io.File.pathSeparator + testClasses(),
                natives(), "-Dtorchferry.libtorch=" + folder, Lazily.class.getName(),
                Fixtures.file("golden_zip.pt").toString());
        String said = Fixtures.java(arguments).output();
        String built = LibtorchSearch.builtVersion().orElseThrow();
        assertTrue(said.contains("it is libtorch 1.13.1, but this Torchferry was built with libtorch " + built
                + " and needs the same major and minor version"), said);
        assertTrue(said.contains("pip install torch==" + built.replaceFirst("\\.\\d+$", ".*")), said);
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

    private static Path testClasses() throws Exception {
        return Path.of(NativeLoaderTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    }
}
