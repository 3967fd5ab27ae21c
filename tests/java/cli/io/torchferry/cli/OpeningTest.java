package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The options of all commands that open files. */
class OpeningTest {
    @TempDir
    private Path folder;

    @Test
    void limitsAreChangedByTheNameInTheError() {
        Path file = fixture("golden_zip.pt");
        Path copy = folder.resolve("copy.pt");
        for (List<Object> command : List.<List<Object>>of(List.of("inspect", file), List.of("load", file),
                List.of("verify", file), List.of("convert", file, copy), List.of("diff", file, file))) {
            Object[] words = new Object[command.size() + 2];
            words[0] = command.get(0);
            words[1] = "--limit";
            words[2] = "pickle_bytes=100";
            for (int i = 1; i < command.size(); i++) {
                words[i + 2] = command.get(i);
            }
            Cli refused = Cli.expect(command.get(0).equals("diff") ? 2 : 1, words);
            assertTrue(refused.err().contains("over the limit pickle_bytes = 100"), refused.err());
            assertTrue(refused.err().contains("--limit pickle_bytes=N"), refused.err());
            words[2] = "pickle_bytes=1KiB";
            Cli.expect(0, words);
        }
        Cli.expect(1, "inspect", "--limit", "tensors=0", "--limit=depth=9", file);
        for (String wrong : List.of("pickle_bytes", "=3", "speed=3", "depth=x", "depth=-1", "depth=")) {
            Cli usage = Cli.expect(2, "inspect", "--limit", wrong, file);
            assertTrue(usage.err().contains("--limit " + wrong), usage.err());
        }
    }

    @Test
    void savesBehindTheFirstAreToldOfAndReached() {
        Path file = fixture("legacy_several_saves.pt");
        String text = Cli.expect(0, "inspect", file).out();
        assertTrue(text.contains("saves      2 in this file; --save N"), text);
        Map<String, Object> json = Cli.expect(0, "inspect", "--json", "--save", "1", file).object();
        assertEquals(new BigDecimal(2), json.get("saves"));
        assertEquals("b", Json.objects(json, "tensors").get(0).get("key"));
        json = Cli.expect(0, "load", "--json", "--save", "1", file).object();
        assertEquals("b", Json.objects(json, "tensors").get(0).get("key"));
        Path copy = folder.resolve("second.pt");
        Cli.expect(0, "convert", "--save", "1", file, copy);
        Cli.expect(1, "diff", file, copy);
        Cli.expect(1, "diff", file, "--save-b", "1", file);
        Cli.expect(0, "diff", "--save", "1", "--save-b", "0", file, copy);
        Cli.expect(0, "verify", "--save", "1", file);
        assertTrue(Cli.expect(1, "inspect", "--save", "2", file).err().contains("there is no save 2"));
        assertFalse(Cli.expect(0, "inspect", "--json", copy).object().containsKey("saves"));
        Cli.expect(2, "inspect", "--save", "-1", file);
    }

    @Test
    void everyCommandKnowsWeightsOnly() {
        Path attack = fixture("os_system.pt");
        for (String command : List.of("inspect", "load", "verify")) {
            assertTrue(Cli.expect(1, command, "--weights-only", attack).err().contains("os.system"));
        }
    }
}
