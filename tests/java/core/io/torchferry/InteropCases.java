package io.torchferry;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.stream.JsonReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * What real PyTorch read from checkpoint files, as {@code tests/interop} wrote it down. The README there says what each
 * field means; a field that is not in the JSON is null here. All files are absolute.
 *
 * @param torch the version of PyTorch
 * @param messages {@code torch.load}'s words for each way in which a device can be missing
 * @param cases files that load
 * @param bad files to be refused, or to be read without harm
 */
record InteropCases(int schema, String torch, Map<String, String> messages, List<Case> cases, List<Bad> bad) {
    private static final int SCHEMA = 1;
    /** One case is a list in a list, 300 times over. */
    private static final int NESTING = 2000;

    /** A file that PyTorch loads. */
    record Case(String name, String group, Path file, String format, List<String> locations, List<TensorCase> tensors,
            JsonElement content, List<Load> load, Boolean weightsOnly, List<String> unsafeGlobals, Ours ours,
            JsonElement metadata, long saveIndex, long saves) {

        /** How to open the file for this case. */
        OpenOptions opening() {
            return OpenOptions.DEFAULT.withSaveIndex(saveIndex);
        }

        /** The loaded object as a typed value, or null where only the tensors are to be compared. */
        JsonObject value() {
            return content.isJsonNull() ? null : content.getAsJsonObject();
        }

        /** Whether Torchferry may answer so instead. */
        boolean accepts(String kind) {
            return ours != null && ours.accept != null && ours.accept.contains(kind);
        }

        /** How Torchferry has to refuse the file, or null. */
        String refused() {
            return ours == null ? null : ours.refused;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** Where Torchferry means to differ. */
    record Ours(String refused, List<String> accept) {
    }

    /** One tensor of a case. */
    record TensorCase(String key, String dtype, String layout, long[] shape, long[] stride, Long storageOffset,
            String location, boolean requiresGrad, boolean isParameter, boolean isBuffer, boolean conj, boolean neg,
            long nbytes, Long storageNbytes, String sha256, Long hashed, Integer group, Integer object,
            QuantizerCase quantizer, long[][] components) {

        boolean isStrided() {
            return layout.equals("strided");
        }
    }

    /** The quantizer of a tensor. */
    record QuantizerCase(String scheme, double scale, double zeroPoint, long axis, double[] scales,
            double[] zeroPoints) {
    }

    /** A {@code torch.load} with a {@code map_location}, and what came of it. */
    record Load(Form mapLocation, Expected expect, List<String> calls, String lenient) {
    }

    /** A {@code map_location}. */
    record Form(String form, JsonElement value) {
        @Override
        public String toString() {
            return form.equals("none") ? form : form + " " + value;
        }
    }

    /** Devices by key, or the error. */
    record Expected(Map<String, String> devices, Refusal error) {
    }

    /** PyTorch's refusal: our name for its kind, and its message. */
    record Refusal(String kind, String message) {
    }

    /** A file that must be refused, or borne. */
    record Bad(String name, String group, Path file, List<String> accept, String record, List<String> read,
            String verify, String weightsOnly, List<String> globals, boolean indexOnly, String says) {
        @Override
        public String toString() {
            return name;
        }
    }

    /** Reads a file that {@code make_cases.py} or {@code make_fixtures.py} wrote. */
    static InteropCases read(Path json) throws IOException {
        Gson gson = new GsonBuilder()
                .setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
                .registerTypeAdapter(Path.class, (com.google.gson.JsonDeserializer<Path>) (name, type, context) ->
                        json.toAbsolutePath().resolveSibling(name.getAsString()))
                .create();
        try (JsonReader in = new JsonReader(Files.newBufferedReader(json))) {
            in.setNestingLimit(NESTING);
            InteropCases cases = gson.fromJson(in, InteropCases.class);
            if (cases.schema != SCHEMA || cases.cases.isEmpty() || cases.bad.isEmpty()) {
                throw new AssertionError(json + " has schema " + cases.schema + " and " + cases.cases.size()
                        + " cases; these tests know schema " + SCHEMA);
            }
            return cases;
        }
    }

    /** The case of this name. */
    Case named(String name) {
        return cases.stream().filter(one -> one.name.equals(name)).findFirst().orElseThrow(
                () -> new AssertionError("there is no case " + name));
    }
}
