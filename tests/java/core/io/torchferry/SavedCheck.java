package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** Files that we saved and what they should hold, for {@code tests/interop/check_saved.py} to compare. */
final class SavedCheck {
    /** A file, and what PyTorch is to find in it. */
    private record Saved(Path file, Path expected) {
    }

    private final Map<String, Saved> saved = new LinkedHashMap<>();

    /** @param file in a folder where the expectation may be written too */
    void add(String name, Path file, JsonObject expected) throws IOException {
        Path json = file.resolveSibling(name + ".expected.json");
        Files.writeString(json, ascii(expected.toString()));
        saved.put(name, new Saved(file, json));
    }

    /**
     * A test for each file; asks PyTorch about all of them at once.
     *
     * @param least how many files there must be, lest none is looked at
     */
    Stream<DynamicTest> tests(int least) throws Exception {
        assertTrue(saved.size() >= least, () -> "only " + saved.size() + " files were saved");
        Map<String, JsonArray> problems = ask();
        return saved.keySet().stream().map(name -> DynamicTest.dynamicTest(name,
                () -> assertEquals(new JsonArray(), problems.get(saved.get(name).file().toString()))));
    }

    /** What PyTorch finds wrong with each file. */
    private Map<String, JsonArray> ask() throws Exception {
        List<String> command = new ArrayList<>(List.of(InteropPython.python(),
                Fixtures.root().resolve("tests/interop/check_saved.py").toString()));
        saved.values().forEach(one -> command.addAll(List.of(one.file().toString(), one.expected().toString())));
        Fixtures.Outcome outcome = InteropPython.run(command, null);
        Map<String, JsonArray> problems = new LinkedHashMap<>();
        outcome.output().lines().filter(line -> line.startsWith("{\"file\": ")).forEach(line -> {
            JsonObject answer = lenient(line);
            problems.put(answer.get("file").getAsString(), answer.getAsJsonArray("problems"));
        });
        assertEquals(saved.size(), problems.size(), outcome::output);
        return problems;
    }

    /** The cases as PyTorch described them, every field of every tensor. */
    static Map<String, JsonObject> rows(InteropCases cases) throws IOException {
        Path json = cases.cases().get(0).file();
        while (!Files.exists(json.resolveSibling("cases.json"))) {
            json = json.getParent();
        }
        Map<String, JsonObject> rows = new LinkedHashMap<>();
        for (JsonElement one : lenient(Files.readString(json.resolveSibling("cases.json"))).getAsJsonArray("cases")) {
            rows.put(one.getAsJsonObject().get("name").getAsString(), one.getAsJsonObject());
        }
        return rows;
    }

    private static JsonObject lenient(String text) {
        JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.LENIENT);
        reader.setNestingLimit(2000);
        return JsonParser.parseReader(reader).getAsJsonObject();
    }

    /** Keys may hold lone surrogates, which only escapes can write. */
    private static String ascii(String json) {
        StringBuilder text = new StringBuilder();
        json.chars().forEach(c -> text.append(c < 0x80 ? Character.toString(c) : String.format("\\u%04x", c)));
        return text.toString();
    }
}
