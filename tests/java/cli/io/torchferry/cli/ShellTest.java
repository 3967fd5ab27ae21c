package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the command line gives the shell and the reader: completion and the manual page. */
class ShellTest {
    private static final List<String> COMMANDS = List.of("inspect", "load", "convert", "verify", "diff", "demo", "doctor",
            "bench", "completion", "man");

    @TempDir
    private Path folder;

    private String run(String... command) throws Exception {
        Path out = folder.resolve("out");
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile()).start();
            int status = process.waitFor();
            return status + "\n" + Files.readString(out, StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "127\n" + e.getMessage();
        }
    }

    @Test
    void bashCompletesCommandsAndOptions() throws Exception {
        Path script = Files.writeString(folder.resolve("script"), Cli.expect(0, "completion").out());
        String commands = run("bash", "-c", "source \"$1\"; COMP_WORDS=(torchferry ''); COMP_CWORD=1; "
                + "_complete_torchferry; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", script.toString());
        for (String command : COMMANDS) {
            assertTrue(commands.lines().anyMatch(command::equals), command + " is not in " + commands);
        }
        String options = run("bash", "-c", "source \"$1\"; COMP_WORDS=(torchferry inspect --tree); COMP_CWORD=2; "
                + "_complete_torchferry; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", script.toString());
        assertTrue(options.contains("--treemap"), options);
    }

    @Test
    void theManualNamesEveryCommandAndItsOptions() {
        String page = Cli.expect(0, "man").out();
        assertTrue(page.startsWith(".TH TORCHFERRY 1 "), page);
        for (String command : COMMANDS) {
            assertTrue(page.contains(".SS torchferry " + command + "\n"), command);
        }
        assertTrue(page.contains("\\fB\\-\\-map\\-location\\fR=\\fI"), page);
        assertTrue(page.contains("\\fB\\-\\-json\\fR"), page);
        assertFalse(page.contains("@|"), "picocli's markup is left in it");
        assertFalse(page.contains("%n"), page);
    }

    @Test
    void groffHasNothingToSayAgainstIt() throws Exception {
        assumeTrue(run("groff", "--version").startsWith("0\n"), "groff is not installed");
        Path page = Files.writeString(folder.resolve("torchferry.1"), Cli.expect(0, "man").out());
        assertEquals("0\n", run("groff", "-man", "-ww", "-Tutf8", "-z", page.toString()));
    }
}
