package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What needs neither files nor native libraries. */
class UsageTest {
    @ParameterizedTest
    @ValueSource(strings = {
        "", "frobnicate", "inspect", "load", "inspect --frobnicate x", "load x --map-location",
        "load x --map-location cuda:", "load x --map-location cuda:01", "load x --map-location a=b=c:x",
        "load x --map-location =cpu", "load x --map-location cpu=cpu,cpu=cpu", "load x --cast float7",
        "load x --threads -1", "load x --threads two", "bench --scenario resnet51", "bench --iterations 0",
        "demo --device cuda:0=cpu", "demo --device c:p:u", "demo extra", "doctor extra", "convert a.pt", "convert a b"})
    void mistakesAreStatusTwoAndOneLine(String line) {
        Cli run = Cli.expect(ExitStatus.USAGE, (Object[]) (line.isEmpty() ? new String[0] : line.split(" ")));
        assertEquals(1, run.errors().size(), run.err());
        assertTrue(run.err().startsWith("torchferry: "), run.err());
        assertEquals("", run.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "inspect", "load", "convert", "demo", "doctor", "bench"})
    void everyCommandHasHelp(String command) {
        Cli run = command.isEmpty() ? Cli.expect(0, "--help") : Cli.expect(0, command, "--help");
        assertTrue(run.out().contains("Usage: torchferry" + (command.isEmpty() ? "" : " " + command)), run.out());
        assertTrue(run.out().contains("--debug"), run.out());
        assertTrue(run.out().lines().allMatch(line -> line.length() <= 120), run.out());
        assertEquals("", run.err());
    }

    @Test
    void helpNamesEveryCommandAndExitStatus() {
        String help = Cli.expect(0, "--help").out();
        for (String word : new String[] {"inspect", "load", "convert", "demo", "doctor", "bench", "Exit status"}) {
            assertTrue(help.contains(word), word);
        }
    }

    @Test
    void version() {
        assertTrue(Cli.expect(0, "--version").out().startsWith("torchferry "));
    }

    @Test
    void placements() {
        assertEquals("cuda:1", MapLocationSpec.parse("cuda:1").toString());
        assertEquals("best", MapLocationSpec.parse("best").all());
        assertEquals("cuda:1=cuda:0,cuda:0=cpu", MapLocationSpec.parse("cuda:1=cuda:0,cuda:0=cpu").toString());
        assertEquals("as saved", MapLocationSpec.AS_SAVED.toString());
    }
}
