package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Content;
import io.torchferry.DType;
import io.torchferry.Device;
import io.torchferry.Format;
import io.torchferry.LoadOptions;
import io.torchferry.LoadReport;
import io.torchferry.LocationTags;
import io.torchferry.ObjectValue;
import io.torchferry.OpenOptions;
import io.torchferry.SaveOptions;
import io.torchferry.SaveReport;
import io.torchferry.StateDict;
import io.torchferry.TensorInfo;
import io.torchferry.Value;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** One checkpoint, written anew. */
final class Conversion {
    private static final int SHOWN = 5;

    private final Path input;
    private final Path output;
    private SaveOptions options;
    private String key;
    private String prefix;
    private DType dtype;
    private boolean drop;
    private OpenOptions opening = OpenOptions.DEFAULT;

    private final List<String> notes = new ArrayList<>();
    private List<Carried.Leftover> dropped = List.of();
    private String format;
    private int tensors;
    private long tensorBytes;
    private SaveReport report;
    private long nanos;

    Conversion(Path input, Path output, Format to) {
        this.input = input;
        this.output = output;
        this.options = SaveOptions.defaults().format(to);
    }

    Conversion maxShardBytes(long bytes) {
        options = options.maxShardBytes(bytes);
        return this;
    }

    Conversion locations(LocationTags tags) {
        options = options.locationTags(tags);
        return this;
    }

    Conversion part(String path) {
        key = path;
        return this;
    }

    Conversion prefix(String text) {
        prefix = text;
        return this;
    }

    Conversion dtype(DType type) {
        dtype = type;
        return this;
    }

    Conversion drop(boolean on) {
        drop = on;
        return this;
    }

    Conversion opening(OpenOptions options) {
        opening = options;
        return this;
    }

    /** @throws Failures.UsageException when OUT cannot hold what IN has, and nothing says to drop it */
    void run(PrintWriter err) throws IOException {
        long start = System.nanoTime();
        try (Checkpoint file = Checkpoint.open(input, opening)) {
            format = file.format().toString();
            String[] path = KeyPath.resolve(file, key);
            List<TensorInfo> infos = file.tensors(path);
            tensors = infos.size();
            tensorBytes = infos.stream().mapToLong(TensorInfo::nbytes).sum();
            boolean changed = dtype != null || prefix != null;
            if (changed || isModel(file, path)) {
                note(file, path);
            }
            if (changed) {
                try (StateDict loaded = changed(file, path)) {
                    save(loaded, err);
                }
            } else {
                save(content(file, path, infos), err);
            }
        }
        nanos = System.nanoTime() - start;
    }

    private boolean holdsTensorsOnly() {
        return options.format() == Format.SAFETENSORS || options.maxShardBytes().isPresent();
    }

    private static boolean isModel(Checkpoint file, String[] path) throws IOException {
        return file.value(path) instanceof ObjectValue;
    }

    /** What a flat list of tensors leaves behind. */
    private void note(Checkpoint file, String[] path) throws IOException {
        if (file.value(path) instanceof ObjectValue model) {
            notes.add("an object of the class " + model.className() + ": its tensors are written, as a state_dict");
            return;
        }
        leaveOut(Carried.others(file.value(path)));
    }

    private Object content(Checkpoint file, String[] path, List<TensorInfo> infos) throws IOException {
        Value value = file.value(path);
        if (value instanceof ObjectValue) {
            return flat(infos);
        }
        if (!holdsTensorsOnly()) {
            Carried carried = Carried.of(value, file.opaqueGlobals());
            leaveOut(carried.leftovers());
            return carried.leftovers().isEmpty() ? value : carried.content();
        }
        leaveOut(Carried.others(value));
        return Carried.isStateDict(value) ? value : flat(infos);
    }

    private static Content.Dict flat(List<TensorInfo> infos) {
        Content.Dict dict = Content.orderedDict();
        for (TensorInfo info : infos) {
            if (dict.containsKey(info.key())) {
                throw new Failures.UsageException("two tensors would have the name " + info.key()
                        + "; choose a part with --key");
            }
            dict.put(info.key(), Content.data(info));
        }
        return dict;
    }

    private void leaveOut(List<Carried.Leftover> others) {
        if (others.isEmpty()) {
            return;
        }
        StringBuilder text = new StringBuilder();
        for (Carried.Leftover one : others.subList(0, Math.min(SHOWN, others.size()))) {
            text.append(text.isEmpty() ? "" : ", ").append(one.path()).append(" (").append(one.what()).append(')');
        }
        if (others.size() > SHOWN) {
            text.append(" and ").append(others.size() - SHOWN).append(" more");
        }
        if (!drop) {
            throw new Failures.UsageException(output + " cannot hold " + text
                    + "; take a part with --key, or leave them out with --drop");
        }
        dropped = others;
        notes.add("left out: " + text);
    }

    private StateDict changed(Checkpoint file, String[] path) throws IOException {
        LoadOptions loading = LoadOptions.defaults().mapLocation(Device.cpu());
        StateDict loaded = file.stateDict(dtype == null ? loading : loading.cast(dtype), path);
        try {
            List<LoadReport.Skipped> skipped = loaded.report().skipped();
            if (!skipped.isEmpty()) {
                throw new Failures.UsageException("tensor " + skipped.get(0).key() + ": " + skipped.get(0).reason());
            }
            if (prefix == null) {
                return loaded;
            }
            StateDict stripped = loaded.withPrefixStripped(prefix);
            loaded.close();
            return stripped;
        } catch (Throwable e) {
            loaded.close();
            throw e;
        }
    }

    private void save(Object content, PrintWriter err) throws IOException {
        if (!Terminal.errIsInteractive()) {
            report = Checkpoint.save(content, output, options);
        } else {
            try (ProgressBar bar = new ProgressBar(err, "writing " + output.getFileName(), true)) {
                report = Checkpoint.save(content, output, options.progress(bar::update));
            }
        }
        if (!report.repeated().isEmpty()) {
            notes.add(Units.count(report.repeated().size(), "name") + " of tensors that have another name left out, "
                    + "as __metadata__ says: " + String.join(", ", report.repeated().keySet()));
        }
    }

    /** What a person should know, a line each. */
    List<String> notes() {
        return notes;
    }

    String summary() {
        String files = report.isSharded() ? report.files().size() - 1 + " shards and "
                + report.files().get(report.files().size() - 1).getFileName() : output.toString();
        return input + " (" + format + ") -> " + files + " (" + options.format() + "): "
                + Units.count(tensors, "tensor") + ", " + Units.bytes(report.bytes()) + " in " + Units.nanos(nanos);
    }

    String json() {
        JsonWriter json = new JsonWriter().beginObject();
        json.field("file", input.toString()).field("format", format).field("to", options.format().toString());
        json.field("files", report.files().stream().map(Path::toString).toList()).field("bytes", report.bytes());
        json.field("tensors", tensors).field("tensor_bytes", tensorBytes);
        json.name("dropped").beginArray();
        for (Carried.Leftover one : dropped) {
            json.beginObject().field("path", one.path()).field("what", one.what()).endObject();
        }
        json.endArray().name("repeated").beginObject();
        report.repeated().forEach(json::field);
        json.endObject().field("notes", notes).field("time_ns", nanos);
        return json.endObject().toString();
    }
}
