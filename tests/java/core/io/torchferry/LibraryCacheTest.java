package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Native libraries from jars, unpacked once. */
class LibraryCacheTest {
    @TempDir
    private Path folder;

    private Path jar(String name, Map<String, byte[]> entries) throws IOException {
        Path jar = folder.resolve(name);
        try (var out = new JarOutputStream(Files.newOutputStream(jar))) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                out.putNextEntry(new ZipEntry(entry.getKey()));
                out.write(entry.getValue());
            }
        }
        return jar;
    }

    private static PackagedLibrary in(Path jar, String name) throws IOException {
        return PackagedLibrary.packed(new URL("jar:" + jar.toUri() + "!/" + name));
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> !file.toString().endsWith(".lock")).toList();
        }
    }

    @Test
    void aSetIsUnpackedOnceUnderItsChecksums() throws IOException {
        Path jar = jar("a.jar", Map.of("x/lib.so", new byte[] {1, 2, 3}, "x/other.so", new byte[] {4}));
        LibraryCache cache = new LibraryCache(folder.resolve("cache"), false);
        List<PackagedLibrary> both = List.of(in(jar, "x/lib.so"), in(jar, "x/other.so"));
        List<Path> first = cache.files(both);
        assertEquals(List.of("lib.so", "other.so"), first.stream().map(f -> f.getFileName().toString()).toList());
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(first.get(0)));
        Object file = Files.readAttributes(first.get(0), "unix:ino").get("ino");
        assertEquals(first, cache.files(both));
        assertEquals(file, Files.readAttributes(first.get(0), "unix:ino").get("ino"));
        assertEquals(1, list(cache.folder()).size());
    }

    @Test
    void otherContentLiesElsewhere() throws IOException {
        LibraryCache cache = new LibraryCache(folder.resolve("cache"), false);
        Path one = cache.files(List.of(in(jar("a.jar", Map.of("lib.so", new byte[] {1})), "lib.so"))).get(0);
        Path two = cache.files(List.of(in(jar("b.jar", Map.of("lib.so", new byte[] {2})), "lib.so"))).get(0);
        assertNotEquals(one, two);
        assertEquals(1, Files.readAllBytes(one)[0]);
        assertEquals(2, Files.readAllBytes(two)[0]);
    }

    @Test
    void whatWasWrittenToOrCutOrDeletedIsUnpackedAgain() throws IOException {
        LibraryCache cache = new LibraryCache(folder.resolve("cache"), false);
        List<PackagedLibrary> set = List.of(in(jar("a.jar", Map.of("lib.so", new byte[] {1, 2, 3})), "lib.so"));
        Path library = cache.files(set).get(0);
        Files.write(library, new byte[] {9, 9, 9});
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(cache.files(set).get(0)));
        Files.write(library, new byte[0]);
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(cache.files(set).get(0)));
        Files.delete(library);
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(cache.files(set).get(0)));
    }

    @Test
    void whatAnEndedProcessLeftIsRemoved() throws IOException {
        LibraryCache cache = new LibraryCache(folder.resolve("cache"), false);
        List<PackagedLibrary> set = List.of(in(jar("a.jar", Map.of("lib.so", new byte[] {1})), "lib.so"));
        Path left = Files.createDirectories(cache.folder().resolve(set.get(0).crc() + ".part-1"));
        Files.write(left.resolve("lib.so"), new byte[] {1});
        cache.files(set);
        assertFalse(Files.exists(left));
    }

    @Test
    void thoseWhoWantTheSameAtOnceGetTheSame() throws Exception {
        LibraryCache cache = new LibraryCache(folder.resolve("cache"), false);
        Path jar = jar("a.jar", Map.of("lib.so", new byte[4_000_000]));
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            List<Future<Path>> all = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                all.add(threads.submit(() -> cache.files(List.of(in(jar, "lib.so"))).get(0)));
            }
            for (Future<Path> one : all) {
                assertEquals(all.get(0).get(), one.get());
                assertEquals(4_000_000, Files.size(one.get()));
            }
        } finally {
            threads.shutdown();
        }
        assertEquals(1, list(cache.folder()).size());
    }

    @Test
    void aDamagedJarIsTold() throws IOException {
        byte[] content = "a library with some content that is stored as it is".getBytes(StandardCharsets.US_ASCII);
        Path jar = folder.resolve("a.jar");
        try (var out = new JarOutputStream(Files.newOutputStream(jar))) {
            out.setLevel(0);
            out.putNextEntry(new ZipEntry("lib.so"));
            out.write(content);
        }
        byte[] bytes = Files.readAllBytes(jar);
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("some content");
        bytes[at] ^= 1;
        Files.write(jar, bytes);
        LibraryCache cache = new LibraryCache(folder.resolve("cache"), false);
        List<PackagedLibrary> set = List.of(in(jar, "lib.so"));
        String message = assertThrows(IOException.class, () -> cache.files(set)).getMessage();
        assertTrue(message.contains("the jar is damaged") && message.contains("lib.so"), message);
        assertEquals(List.of(), list(cache.folder()));
    }

    @Test
    void aFolderThatCannotBeWrittenToIsToldWithTheProperty() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "not a folder");
        List<PackagedLibrary> set = List.of(in(jar("a.jar", Map.of("lib.so", new byte[] {1})), "lib.so"));
        LibraryCache cache = new LibraryCache(file.resolve("cache"), false);
        String message = assertThrows(IOException.class, () -> cache.files(set)).getMessage();
        assertTrue(message.contains("lib.so cannot be unpacked") && message.contains("-Dtorchferry.cache=FOLDER"),
                message);
    }

    @Test
    void filesStayWhereTheyAre() throws IOException {
        Path file = Files.write(folder.resolve("lib.so"), new byte[] {1});
        PackagedLibrary library = new PackagedLibrary("lib.so", file.toUri().toURL(), 1, "file");
        assertEquals(List.of(file), new LibraryCache(folder.resolve("cache"), false).files(List.of(library)));
        assertFalse(Files.exists(folder.resolve("cache")));
    }

    @Test
    void classesInAJarBringTheirLibrary() throws Exception {
        Path jar = ownJar(folder.resolve("torchferry test.jar"));
        for (int i = 0; i < 2; i++) {
            Fixtures.Outcome outcome = Fixtures.java(List.of("-Dtorchferry.cache=" + folder.resolve("cache"),
                    "-Dtorchferry.libtorch=/nowhere", "-cp", jar + java.io.File.pathSeparator + testClasses(),
                    NativeLoaderTest.WithoutLibtorch.class.getName(), Fixtures.file("golden_zip.pt").toString()));
            assertEquals(0, outcome.status(), outcome.output());
            assertTrue(outcome.output().contains("digest 75664b4da1c08de9"), outcome.output());
        }
        assertEquals(1, list(folder.resolve("cache")).size());
    }

    /** A home and a cache that cannot be written to: nothing is left behind. */
    @Test
    void withoutACacheTheLibraryIsUnpackedForThisProcessAlone() throws Exception {
        Path temporary = Files.createDirectories(folder.resolve("tmp"));
        Files.writeString(folder.resolve("file"), "not a folder");
        Path jar = ownJar(folder.resolve("torchferry.jar"));
        Fixtures.Outcome outcome = Fixtures.java(Map.of("XDG_CACHE_HOME", folder.resolve("file").toString()),
                List.of("-Djava.io.tmpdir=" + temporary, "-Dtorchferry.libtorch=/nowhere", "-cp",
                        jar + java.io.File.pathSeparator + testClasses(),
                        NativeLoaderTest.WithoutLibtorch.class.getName(), Fixtures.file("golden_zip.pt").toString()));
        assertEquals(0, outcome.status(), outcome.output());
        assertTrue(outcome.output().contains("digest 75664b4da1c08de9"), outcome.output());
        try (Stream<Path> left = Files.list(temporary)) {
            assertEquals(List.of(), left.filter(path -> path.toString().contains("torchferry-natives")).toList());
        }
    }

    /** A cache on a file system that is mounted noexec, in a mount namespace of the test's own. */
    @Test
    void aCacheFromWhichNothingMayBeRunIsTold() throws Exception {
        Path cache = Files.createDirectories(folder.resolve("cache"));
        List<String> mounted = List.of("unshare", "--map-root-user", "--mount", "sh", "-c",
                "mount -t tmpfs -o noexec none \"$0\" && exec \"$@\"", cache.toString());
        assumeTrue(run(mounted, List.of("true")).status() == 0, "this user cannot mount a file system");
        Path jar = ownJar(folder.resolve("torchferry.jar"));
        Fixtures.Outcome outcome = run(mounted, List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Dtorchferry.cache=" + cache, "-cp",
                jar + java.io.File.pathSeparator + testClasses(), NativeLoaderTest.Lazily.class.getName(),
                Fixtures.file("golden_zip.pt").toString()));
        assertEquals(1, outcome.status(), outcome.output());
        assertTrue(outcome.output().contains("it may be mounted noexec: name a folder elsewhere with "
                + "-Dtorchferry.cache=FOLDER"), outcome.output());
    }

    private static Fixtures.Outcome run(List<String> first, List<String> then) throws Exception {
        List<String> command = new ArrayList<>(first);
        command.addAll(then);
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Fixtures.Outcome(process.waitFor(), output);
        } catch (IOException e) {
            return new Fixtures.Outcome(127, e.toString());
        }
    }

    /** The classes and the format library, in one jar. */
    private static Path ownJar(Path jar) throws IOException {
        String library = System.mapLibraryName("torchferry_format_jni");
        try (var out = new JarOutputStream(Files.newOutputStream(jar));
                Stream<Path> files = Files.walk(Fixtures.classes())) {
            for (Path file : files.filter(file -> file.toString().endsWith(".class")).toList()) {
                out.putNextEntry(new ZipEntry(Fixtures.classes().relativize(file).toString().replace('\\', '/')));
                Files.copy(file, out);
            }
            out.putNextEntry(new ZipEntry(NativeLoader.resource(library)));
            Files.copy(Path.of(System.getProperty("torchferry.native.dir"), library), out);
        }
        return jar;
    }

    private static Path testClasses() throws Exception {
        URI place = LibraryCacheTest.class.getProtectionDomain().getCodeSource().getLocation().toURI();
        return Path.of(place);
    }
}
