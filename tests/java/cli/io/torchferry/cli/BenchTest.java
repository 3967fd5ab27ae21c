package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchTest {
    /** An interpreter that answers every request with loads of 7 ms, as torch_peer.py would. */
    private static Path fakePython(Path folder) throws IOException {
        Path script = folder.resolve("python3");
        Files.writeString(script, """
                #!/bin/sh
                echo "ready 3.0 2.0 1"
                while read -r request; do
                  times=$(echo "$request" | sed 's/.*"times":\\([0-9]*\\).*/\\1/')
                  line="ns 1"
                  while [ "$times" -gt 0 ]; do line="$line 7000000"; times=$((times - 1)); done
                  echo "$line"
                done
                """);
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
        return script;
    }

    @Test
    void everyContenderTakesPart(@TempDir Path folder) throws IOException {
        Map<String, Object> json = Cli.expect(0, "bench", "--json", "--iterations", 2, "--python", fakePython(folder),
                fixture("golden_zip.pt")).object();
        List<Map<String, Object>> contenders = Json.objects(Json.objects(json, "scenarios").get(0), "contenders");
        Map<Object, Map<String, Object>> byId = contenders.stream().collect(Collectors.toMap(c -> c.get("id"), c -> c));
        assertEquals(7, byId.size());
        assertEquals(new BigDecimal(7_000_000), byId.get(Contender.TORCH).get("median_ns"));
        assertEquals(new BigDecimal(7_000_000), byId.get(Contender.TORCH_MMAP).get("p99_ns"));
        for (Map<String, Object> contender : contenders) {
            assertNull(contender.get("skipped"), contender.toString());
            assertTrue(((BigDecimal) contender.get("median_ns")).signum() > 0, contender.toString());
            assertTrue(((BigDecimal) contender.get("loads")).intValue() >= 2, contender.toString());
        }
        assertEquals("2.0", Json.object(json.get("versions")).get("torch"));
    }

    @Test
    void withoutPythonTheOthersAreMeasured() {
        Cli run = Cli.expect(0, "bench", "--iterations", 1, "--python", "/not/there/python3", fixture("golden_zip.pt"));
        assertTrue(run.out().contains("no PyTorch"), run.out());
        assertTrue(run.out().contains("Torchferry, through Java"), run.out());
    }

    @Test
    void aReaderThatCannotIsSkippedWithTheReason() {
        Map<String, Object> json = Cli.expect(0, "bench", "--json", "--iterations", 1, "--python", "/not/there",
                fixture("whole_model.pt")).object();
        Map<String, Object> stock = Json.objects(Json.objects(json, "scenarios").get(0), "contenders").stream()
                .filter(contender -> contender.get("id").equals(Contender.STOCK)).findFirst().orElseThrow();
        assertEquals(BigDecimal.ZERO, stock.get("loads"));
        assertTrue(!((String) stock.get("skipped")).isEmpty());
    }

    @Test
    void itsOwnFilesAreMadeAndRemoved(@TempDir Path folder) throws IOException {
        Map<String, Object> json = Cli.expect(0, "bench", "--json", "--iterations", 1, "--scenario", "small10k",
                "--dir", folder, "--python", "/not/there").object();
        Map<String, Object> scenario = Json.objects(json, "scenarios").get(0);
        assertEquals("small10k", scenario.get("name"));
        assertTrue(((BigDecimal) scenario.get("bytes")).longValue() > 10_240_000);
        assertEquals("not measured", Json.objects(json, "targets").get(0).get("verdict"), "no PyTorch here");
        try (var left = Files.list(folder)) {
            assertEquals(0, left.count());
        }
    }

    @Test
    void aBrokenFileIsRefused() {
        Cli run = Cli.expect(1, "bench", "--python", "/not/there", fixture("truncated.pt"));
        assertTrue(run.err().contains("truncated.pt"), run.err());
    }
}
