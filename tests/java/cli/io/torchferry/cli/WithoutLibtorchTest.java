package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the command line as a process of its own that is told of a libtorch that is not there. */
class WithoutLibtorchTest {
    @TempDir
    Path folder;

    private Cli run(Object... arguments) throws Exception {
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        if (Runtime.version().feature() >= 22) {
            line.add("--enable-native-access=ALL-UNNAMED");
        }
        line.add("-Dtorchferry.libtorch=" + folder.resolve("no-libtorch"));
        String natives = System.getProperty("torchferry.native.dir");
        if (natives != null) {
            line.add("-Dtorchferry.native.dir=" + natives);
        }
        line.addAll(List.of("-cp", System.getProperty("java.class.path"), "io.torchferry.cli.Main"));
        for (Object argument : arguments) {
            line.add(argument.toString());
        }
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        Process process = new ProcessBuilder(line).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
        return new Cli(process.waitFor(), text(out), text(err));
    }

    private static String text(Path file) throws IOException {
        return Files.readString(file, StandardCharsets.UTF_8);
    }

    @Test
    void inspectWorks() throws Exception {
        Cli run = run("inspect", "--json", "--values", fixture("training.pt"));
        assertEquals(0, run.status(), run.err());
        assertEquals(34, Json.objects(run.object(), "tensors").size());
        assertEquals("", run.err());
    }

    @Test
    void verifyAndDiffWork() throws Exception {
        Cli verified = run("verify", "--json", fixture("training.pt"));
        assertEquals(0, verified.status(), verified.err());
        assertEquals(true, verified.object().get("sound"));
        Cli compared = run("diff", "--json", fixture("training.pt"), fixture("training.pt"));
        assertEquals(0, compared.status(), compared.err());
        assertEquals(true, compared.object().get("same"));
    }

    @Test
    void loadSaysInOneLineWhatWasTried() throws Exception {
        Cli run = run("load", fixture("training.pt"));
        assertEquals(ExitStatus.REFUSED, run.status());
        assertEquals(1, run.errors().size(), run.err());
        assertTrue(run.err().contains("no-libtorch") && run.err().contains("doctor"), run.err());
    }

    @Test
    void doctorSaysThatOnlyInspectWorksAndHowToMendIt() throws Exception {
        Cli run = run("doctor", "--json");
        assertEquals(ExitStatus.REFUSED, run.status(), run.err());
        Map<String, Object> json = run.object();
        assertEquals("inspect only", json.get("usable"));
        assertEquals(true, Json.object(json.get("self_test")).get("ok"));
        assertTrue(Json.objects(json, "problems").get(0).get("cure").toString().contains("LIBTORCH"), run.out());
        Cli text = run("doctor");
        assertTrue(text.out().contains("Only `inspect` works here"), text.out());
        assertTrue(text.out().contains("no-libtorch"), text.out());
    }
}
