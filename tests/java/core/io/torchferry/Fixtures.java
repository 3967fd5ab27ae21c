package io.torchferry;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** Files and processes that several tests use. */
final class Fixtures {

    private Fixtures() {
    }

    /** A file made by real PyTorch: {@code tests/java/core/resources/fixtures}. */
    static Path file(String name) {
        try {
            return Path.of(Fixtures.class.getResource("/fixtures/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    /** A file of the command line's demo, saved on cuda:0 by real PyTorch. */
    static Path demo(String name) {
        return root().resolve("java/cli/src/main/resources/io/torchferry/cli/demo").resolve(name);
    }

    /** The top of the source tree. */
    static Path root() {
        return Path.of(System.getProperty("torchferry.root"));
    }

    /** Loads the fake accelerator, after libtorch. */
    static void loadFakeDevice() {
        NativeLoader.torch();
        FakeDevice.load(Path.of(System.getProperty("torchferry.fakeDevice")));
    }

    /** The folder of the libtorch that this process uses. */
    static Path libtorch() {
        NativeLoader.torch();
        return Torchferry.libtorchFolder().orElseThrow();
    }

    /** Collects garbage until something has happened; false after ten seconds. */
    static boolean collectUntil(BooleanSupplier happened) throws InterruptedException {
        for (int i = 0; i < 200; i++) {
            System.gc();
            if (happened.getAsBoolean()) {
                return true;
            }
            Thread.sleep(50);
        }
        return false;
    }

    /** What is mapped into this process. */
    static String maps() throws IOException {
        return Files.readString(Path.of("/proc/self/maps"));
    }

    /** What a finished process said and gave. */
    record Outcome(int status, String output) {
    }

    /** Where the classes of the API are. */
    static Path classes() {
        try {
            return Path.of(Checkpoint.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    private static Path testClasses() {
        try {
            return Path.of(Fixtures.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    /** Runs the main method of a test class in a JVM of its own that knows no libtorch unless the options say so. */
    static Outcome fork(Class<?> main, List<String> options, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "-cp", classes() + java.io.File.pathSeparator + testClasses(),
                "-Dtorchferry.root=" + System.getProperty("torchferry.root")));
        command.addAll(options);
        command.add(main.getName());
        command.addAll(List.of(arguments));
        return java(command);
    }

    /** Runs java in an empty home, without the variables that name a libtorch. */
    static Outcome java(List<String> arguments) throws Exception {
        return java(Map.of(), arguments);
    }

    /** Like {@link #java(List)}, with more variables. */
    static Outcome java(Map<String, String> variables, List<String> arguments) throws Exception {
        Path home = Files.createTempDirectory("torchferry-home-");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Duser.home=" + home));
        if (Runtime.version().feature() >= 22) {
            // Newer JVMs warn of libraries loaded by code that was not allowed to; older ones do not know the modules.
            command.add("--enable-native-access=ALL-UNNAMED"
                    + (arguments.contains("-m") ? ",io.torchferry" : ""));
        }
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().keySet().removeAll(
                List.of("LIBTORCH", "TORCHFERRY_LIBTORCH", "XDG_CACHE_HOME", "LD_LIBRARY_PATH"));
        builder.environment().put("HOME", home.toString());
        builder.environment().putAll(variables);
        try {
            Outcome outcome = outcome(builder);
            // Fails when something was left there.
            Files.delete(home);
            return outcome;
        } finally {
            remove(home);
        }
    }

    private static Outcome outcome(ProcessBuilder builder) throws Exception {
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes());
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("still running: " + builder.command() + "\n" + output);
        }
        return new Outcome(process.exitValue(), output);
    }

    private static void remove(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> inside = Files.walk(folder)) {
            for (Path path : inside.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
