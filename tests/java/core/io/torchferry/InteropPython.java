package io.torchferry;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Has real PyTorch make its checkpoints, once for all tests of this JVM.
 *
 * <p>Python is the one that {@code -Dtorchferry.python} or the variable {@code TORCHFERRY_PYTHON} names, else
 * {@code python3}. Where that has no PyTorch the tests that ask are skipped with the reason; with the variable
 * {@code TORCHFERRY_REQUIRE_INTEROP} set to 1 they fail.
 */
final class InteropPython {
    private static final String NEEDED = "import torch, numpy, safetensors; print(torch.__version__)";
    private static final int[] MINIMUM = {2, 13};

    private static InteropCases cases;
    private static String missing;

    private InteropPython() {
    }

    /** The cases; skips the calling test where they cannot be made. */
    static synchronized InteropCases cases() throws Exception {
        if (cases == null && missing == null) {
            String python = python();
            missing = refusal(python);
            if (missing == null) {
                cases = InteropCases.read(make(python).resolve("cases.json"));
            }
        }
        if (missing != null && "1".equals(System.getenv("TORCHFERRY_REQUIRE_INTEROP"))) {
            fail("TORCHFERRY_REQUIRE_INTEROP is 1, but " + missing);
        }
        return missing == null ? cases : abort(missing);
    }

    static String python() {
        String named = System.getProperty("torchferry.python", System.getenv("TORCHFERRY_PYTHON"));
        return named == null || named.isEmpty() ? "python3" : named;
    }

    /** Why this Python cannot make the cases, or null. */
    private static String refusal(String python) throws Exception {
        String cure = ": install torch, numpy and safetensors there, or name another Python in TORCHFERRY_PYTHON";
        try {
            Fixtures.Outcome asked = run(List.of(python, "-c", NEEDED), null);
            String said = asked.output().strip();
            if (asked.status() != 0) {
                return python + " has no PyTorch (" + said.substring(said.lastIndexOf('\n') + 1) + ")" + cure;
            }
            return isNewEnough(said) ? null : python + " has PyTorch " + said + ", older than 2.13" + cure;
        } catch (IOException e) {
            return "there is no Python (" + e.getMessage() + ")" + cure;
        }
    }

    private static boolean isNewEnough(String version) {
        String[] parts = version.substring(version.lastIndexOf('\n') + 1).split("[^0-9]+");
        int major = Integer.parseInt(parts[0]);
        return major > MINIMUM[0] || major == MINIMUM[0] && Integer.parseInt(parts[1]) >= MINIMUM[1];
    }

    private static Path make(String python) throws Exception {
        Path folder = Files.createDirectories(Path.of("target").toAbsolutePath()).resolve("interop");
        if (Files.exists(folder)) {
            try (var stale = Files.walk(folder)) {
                stale.sorted(java.util.Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
            }
        }
        Files.createDirectories(folder);
        Path script = Fixtures.root().resolve("tests/interop/make_cases.py");
        Fixtures.Outcome made = run(List.of(python, script.toString(), folder.toString()), folder);
        if (made.status() != 0) {
            fail(script + " ended with status " + made.status() + ":\n" + made.output());
        }
        return folder;
    }

    /** Runs to the end, at most ten minutes. PyTorch sees no GPU: the cases are those of a machine without one. */
    static Fixtures.Outcome run(List<String> command, Path folder) throws Exception {
        Path log = Files.createTempFile("torchferry-python-", ".log");
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        if (folder != null) {
            builder.directory(folder.toFile());
        }
        builder.environment().put("CUDA_VISIBLE_DEVICES", "");
        builder.environment().put("PYTHONIOENCODING", "utf-8");
        builder.environment().remove("LD_PRELOAD");
        Process process = builder.start();
        process.getOutputStream().close();
        boolean ended = process.waitFor(10, TimeUnit.MINUTES);
        if (!ended) {
            process.destroyForcibly().waitFor();
        }
        String output = Files.readString(log);
        Files.delete(log);
        if (!ended) {
            fail("still running after ten minutes: " + command + "\n" + output);
        }
        return new Fixtures.Outcome(process.exitValue(), output);
    }
}
