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
        assertEquals(13, byId.size());
        assertEquals(7e6, ((BigDecimal) byId.get(Contender.TORCH).get("median_ns")).doubleValue(), 7e3);
        assertEquals(7e6, ((BigDecimal) byId.get(Contender.TORCH_MMAP).get("p99_ns")).doubleValue(), 7e3);
        Map<String, Object> none = byId.remove(Contender.SAFETENSORS);
        assertTrue(((String) none.get("skipped")).contains("no safetensors file"), none.toString());
        for (Map<String, Object> contender : byId.values()) {
            assertNull(contender.get("skipped"), contender.toString());
            assertTrue(((BigDecimal) contender.get("median_ns")).signum() > 0, contender.toString());
            assertTrue(((BigDecimal) contender.get("loads")).intValue() >= 2, contender.toString());
        }
        assertEquals("2.0", Json.object(json.get("versions")).get("torch"));
    }

    @Test
    void coldAndInThreadsAndAgainstAnotherProgram(@TempDir Path folder) throws IOException {
        Path python = fakePython(folder);
        Map<String, Object> json = Cli.expect(0, "bench", "--json", "--iterations", 1, "--python", python, "--cold",
                "--threads", "1,2", "--peer", "djl_load=" + python, fixture("golden_zip.pt")).object();
        List<Map<String, Object>> sections = Json.objects(json, "scenarios");
        assertEquals(List.of(false, true, false, false), sections.stream().map(s -> s.get("cold")).toList());
        assertEquals(List.of("0", "0", "1", "2"), sections.stream().map(s -> s.get("threads").toString()).toList());
        List<Object> cold = Json.objects(sections.get(1), "contenders").stream().map(c -> c.get("id")).toList();
        assertTrue(cold.contains(Contender.CORE_TOUCH) && !cold.contains(Contender.MEMORY), cold.toString());
        for (Map<String, Object> contender : Json.objects(sections.get(3), "contenders")) {
            boolean ours = !contender.get("id").equals(Contender.TORCH);
            assertEquals(ours ? BigDecimal.ONE : BigDecimal.ZERO, contender.get("loads"), contender.toString());
        }
        assertTrue(Json.objects(json, "targets").stream()
                .anyMatch(target -> target.get("what").toString().contains("by that of one thread")));
    }

    @Test
    void aPeerThatIsNoneIsRefused() {
        Cli run = Cli.expect(1, "bench", "--python", "/not/there", "--peer", "x=echo error no such thing",
                fixture("golden_zip.pt"));
        assertTrue(run.err().contains("no such thing"), run.err());
        Cli.expect(2, "bench", "--threads", "0", fixture("golden_zip.pt"));
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
