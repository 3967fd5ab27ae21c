package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script at the top of a checkout: a copy of it in a made-up checkout, with a java and a mvn that only report. */
class LauncherTest {
    @TempDir
    Path top;

    @BeforeEach
    void checkout() throws IOException {
        Path here = Cli.fixture("golden_zip.pt");
        while (!Files.isExecutable(here.resolve("torchferry"))) {
            here = here.getParent();
        }
        Files.copy(here.resolve("torchferry"), top.resolve("torchferry"),
                java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
        for (String source : List.of("CMakeLists.txt", "pom.xml", "cmake/Flags.cmake", "native/src/io/file.cpp",
                "java/core/pom.xml", "java/core/src/main/java/A.java", "java/cli/pom.xml",
                "java/cli/src/main/java/B.java", "tests/java/core/ATest.java", "docs/guide.md",
                "java/cli/target/torchferry.jar")) {
            Files.createDirectories(top.resolve(source).getParent());
            Files.createFile(top.resolve(source));
        }
        tool("java", "echo \"LC_ALL=${LC_ALL:-} arguments=$*\"");
        tool("mvn", "echo built >> \"" + top + "/built.log\"; touch \"" + top + "/target/.built\"");
        for (String name : List.of("javac", "cmake", "g++", "make")) {
            tool(name, "exit 0");
        }
        stamp("target/.built", 10);
    }

    private void tool(String name, String script) throws IOException {
        Path tool = top.resolve("jdk/bin").resolve(name);
        Files.createDirectories(tool.getParent());
        Files.writeString(tool, "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(tool, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** Gives a file, made where it is not there, a time so many seconds from now. */
    private void stamp(String file, int seconds) throws IOException {
        Path path = top.resolve(file);
        Files.createDirectories(path.getParent());
        if (!Files.exists(path)) {
            Files.createFile(path);
        }
        Files.setLastModifiedTime(path, FileTime.from(Instant.now().plusSeconds(seconds)));
    }

    private String run(Map<String, String> variables, String... arguments) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(top.resolve("torchferry").toString());
        builder.command().addAll(List.of(arguments));
        builder.redirectError(top.resolve("stderr").toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("LC_") || name.equals("LANG"));
        builder.environment().put("JAVA_HOME", top.resolve("jdk").toString());
        builder.environment().put("PATH", top.resolve("jdk/bin") + ":" + System.getenv("PATH"));
        builder.environment().put("LIBTORCH", "/somewhere");
        builder.environment().putAll(variables);
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), () -> {
            try {
                return Files.readString(top.resolve("stderr"));
            } catch (IOException e) {
                return e.toString();
            }
        });
        return out;
    }

    private boolean wasBuilt() throws IOException {
        return Files.deleteIfExists(top.resolve("built.log"));
    }

    @Test
    void namesThatAreNotAsciiWorkInEveryLocale() throws Exception {
        assertTrue(run(Map.of(), "inspect").startsWith("LC_ALL=C.UTF-8 "));
        assertTrue(run(Map.of("LANG", "C"), "inspect").startsWith("LC_ALL=C.UTF-8 "));
        assertTrue(run(Map.of("LC_ALL", "POSIX", "LANG", "de_DE.UTF-8"), "inspect").startsWith("LC_ALL=C.UTF-8 "));
        assertTrue(run(Map.of("LANG", "de_DE.UTF-8"), "inspect").startsWith("LC_ALL= "), "a UTF-8 locale stays");
        assertTrue(run(Map.of("LC_ALL", "en_US.utf8"), "inspect").startsWith("LC_ALL=en_US.utf8 "));
    }

    @Test
    void argumentsArePassedOnAsTheyAre() throws Exception {
        String out = run(Map.of(), "inspect", "a b.pt", "héllo.pt");
        assertTrue(out.endsWith("io.torchferry.cli.Main inspect a b.pt héllo.pt\n"), out);
    }

    @Test
    void onlyWhatTheProgramIsMadeOfMakesItStale() throws Exception {
        run(Map.of(), "inspect");
        assertFalse(wasBuilt(), "nothing is newer");
        for (String other : List.of("tests/java/core/ATest.java", "docs/guide.md", "README.md")) {
            stamp(other, 20);
            run(Map.of(), "inspect");
            assertFalse(wasBuilt(), other);
        }
        for (String source : List.of("CMakeLists.txt", "pom.xml", "cmake/Flags.cmake", "native/src/io/file.cpp",
                "native/src/io/new.cpp", "java/core/pom.xml", "java/core/src/main/java/A.java",
                "java/cli/src/main/java/B.java")) {
            stamp("target/.built", 10);
            stamp(source, 20);
            run(Map.of(), "inspect");
            assertTrue(wasBuilt(), source);
            stamp(source, 0);
        }
        stamp("target/.built", 10);
        Files.delete(top.resolve("java/cli/target/torchferry.jar"));
        run(Map.of(), "inspect");
        assertTrue(wasBuilt(), "no jar");
    }
}
