package io.torchferry.cli;

import static io.torchferry.cli.Cli.fixture;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VerifyTest {
    @Test
    void aSoundFile() {
        Map<String, Object> json = Cli.expect(0, "verify", "--json", fixture("training.pt")).object();
        assertEquals(fixture("training.pt").toString(), json.get("file"));
        assertEquals("zip", json.get("format"));
        assertEquals(true, json.get("sound"));
        List<Map<String, Object>> parts = Json.objects(json, "parts");
        assertTrue(parts.stream().allMatch(part -> part.get("result").equals("matches")), parts.toString());
        assertTrue(parts.stream().anyMatch(part -> part.get("name").toString().endsWith("/data.pkl")));
        BigDecimal bytes = parts.stream().map(part -> (BigDecimal) part.get("nbytes"))
                .reduce(BigDecimal.ZERO, BigDecimal::add);
        assertEquals(bytes, json.get("bytes_checked"));
        String text = Cli.expect(0, "verify", fixture("training.pt")).out();
        assertTrue(text.contains("structure  sound"), text);
        assertTrue(text.contains(parts.size() + " records"), text);
        assertFalse(text.contains("DAMAGED"), text);
        assertTrue(Cli.expect(0, "verify", "--all", fixture("training.pt")).out().contains("/data.pkl ("), text);
    }

    @Test
    void aDamagedFileIsStatusOneAndNamesTheRecord() {
        Cli run = Cli.expect(1, "verify", fixture("golden_zip.pt"), fixture("flipped_payload.pt"));
        assertEquals(1, run.errors().size(), run.err());
        assertTrue(run.err().contains("flipped_payload.pt: record archive/data/0: the bytes do not match"), run.err());
        assertTrue(run.out().contains("1 record (") && run.out().contains("DAMAGED"), run.out());
        Map<String, Object> json = Cli.expect(1, "verify", "--json", fixture("flipped_payload.pt")).object();
        assertEquals(false, json.get("sound"));
        Map<String, Object> damaged = Json.objects(json, "parts").stream()
                .filter(part -> part.get("result").equals("damaged")).findFirst().get();
        assertEquals("archive/data/0", damaged.get("name"));
        assertTrue(damaged.get("problem").toString().contains("CRC-32"));
    }

    @Test
    void aFileThatIsRefusedIsStatusOne() {
        Cli run = Cli.expect(1, "verify", fixture("truncated.pt"));
        assertEquals(1, run.errors().size(), run.err());
        assertEquals("", run.out());
    }

    @Test
    void formatsWithoutSumsSaySo(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("a.safetensors");
        byte[] header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}".getBytes();
        java.nio.ByteBuffer bytes = java.nio.ByteBuffer.allocate(8 + header.length + 4)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN).putLong(header.length).put(header);
        Files.write(file, bytes.array());
        String text = Cli.expect(0, "verify", file).out();
        assertTrue(text.contains("no sum recorded to compare with: this file holds none"), text);
        Map<String, Object> json = Cli.expect(0, "verify", "--json", file).object();
        assertEquals("unrecorded", Json.objects(json, "parts").get(0).get("result"));
        assertEquals(true, json.get("sound"));
    }
}
