package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.Device;
import io.torchferry.LoadOptions;
import io.torchferry.OpenOptions;
import io.torchferry.LoadReport;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import io.torchferry.TensorInfo;
import io.torchferry.Torchferry;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** One file, loaded: what {@code load} has to say about it. Owns the tensors. */
final class LoadRun implements AutoCloseable {
    private static final String SHA_256 = "SHA-256";

    /** A loaded tensor under the name it is shown with. */
    private record Row(String key, String savedLocation, Tensor tensor, String sha256) {}

    private final Path file;
    private final String format;
    private final long size;
    private final List<String> locations;
    private final MapLocationSpec mapLocation;
    private final StateDict tensors;
    private final List<Row> rows = new ArrayList<>();
    private final boolean digested;
    /** Nanoseconds by phase, in order. */
    private final Map<String, Long> nanos = new LinkedHashMap<>();

    private LoadRun(Path file, Checkpoint checkpoint, MapLocationSpec mapLocation, StateDict tensors,
            boolean digested) {
        this.file = file;
        this.mapLocation = mapLocation;
        this.format = checkpoint.format().toString();
        this.size = checkpoint.size();
        this.locations = checkpoint.savedLocations();
        this.tensors = tensors;
        this.digested = digested;
    }

    /**
     * Loads.
     *
     * @param mapLocation where tensors go, over what {@code options} say
     * @param key place of the content, null for all of it
     * @param naming gives the dict under the names to show, or the same dict
     * @throws io.torchferry.DeviceUnavailableException and everything else that loading throws
     */
    static LoadRun of(Path file, OpenOptions opening, MapLocationSpec mapLocation, LoadOptions options,
            String key, UnaryOperator<StateDict> naming, boolean digest, PrintWriter err) throws IOException {
        long start = System.nanoTime();
        Torchferry.isLibtorchAvailable();
        long ready = System.nanoTime();
        try (Checkpoint checkpoint = Checkpoint.open(file, opening)) {
            long opened = System.nanoTime();
            String[] path = KeyPath.resolve(checkpoint, key);
            requireSome(checkpoint, options, path);
            StateDict tensors = load(checkpoint, options.mapLocation(mapLocation.resolve()), path, file, err);
            LoadRun run = new LoadRun(file, checkpoint, mapLocation, tensors, digest);
            try {
                run.nanos.put("libraries", ready - start);
                run.nanos.put("open", opened - ready);
                run.nanos.put("load", System.nanoTime() - opened);
                run.collect(checkpoint.tensors(path), naming, digest, err);
                run.nanos.put("total", System.nanoTime() - start);
                return run;
            } catch (Throwable e) {
                run.close();
                throw e;
            }
        }
    }

    /** A filter that nothing passes is a mistake; what there is helps to mend it. */
    private static void requireSome(Checkpoint checkpoint, LoadOptions options, String[] path) {
        List<TensorInfo> tensors = checkpoint.tensors(path);
        if (options.filter().isEmpty() || tensors.isEmpty()
                || tensors.stream().anyMatch(tensor -> options.filter().get().test(tensor.key()))) {
            return;
        }
        String some = tensors.stream().limit(5).map(TensorInfo::key).collect(Collectors.joining(", "));
        throw new Failures.UsageException("no tensor passes --filter; there are " + some
                + (tensors.size() > 5 ? ", ... (" + tensors.size() + " in all)" : ""));
    }

    private static StateDict load(Checkpoint checkpoint, LoadOptions options, String[] path, Path file,
            PrintWriter err) throws IOException {
        if (!Terminal.errIsInteractive()) {
            return checkpoint.stateDict(options, path);
        }
        try (ProgressBar bar = new ProgressBar(err, "loading " + file.getFileName(), true)) {
            return checkpoint.stateDict(options.progress(bar::update), path);
        }
    }

    private void collect(List<TensorInfo> infos, UnaryOperator<StateDict> naming, boolean digest, PrintWriter err) {
        Map<String, String> savedLocation = new LinkedHashMap<>();
        infos.forEach(info -> savedLocation.put(info.key(), info.location()));
        long start = System.nanoTime();
        long total = tensors.values().stream().mapToLong(Tensor::nbytes).sum();
        long done = 0;
        List<String> names = names(naming);
        try (ProgressBar bar = new ProgressBar(err, "digests of " + file.getFileName(), Terminal.errIsInteractive())) {
            for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
                Tensor tensor = entry.getValue();
                String sha256 = digest && !tensor.device().isMeta() ? tensor.digest(SHA_256) : null;
                rows.add(new Row(names.get(rows.size()), savedLocation.get(entry.getKey()), tensor, sha256));
                done += tensor.nbytes();
                bar.update(done, total);
            }
        }
        if (digest) {
            nanos.put("digest", System.nanoTime() - start);
        }
    }

    /** The names to show, in order; renaming refuses those that would collide. */
    private List<String> names(UnaryOperator<StateDict> naming) {
        StateDict named = naming.apply(tensors);
        try {
            return List.copyOf(named.keySet());
        } finally {
            if (named != tensors) {
                named.close();
            }
        }
    }

    /** The JSON object of the contract. */
    String json() {
        LoadReport report = tensors.report();
        JsonWriter json = new JsonWriter().beginObject();
        json.field("file", file.toString()).field("format", format).field("size", size);
        json.field("locations", locations).field("map_location", mapLocation.toString());
        json.name("tensors").beginArray();
        rows.forEach(row -> tensor(json, row));
        json.endArray().name("skipped").beginArray();
        for (LoadReport.Skipped skipped : report.skipped()) {
            json.beginObject().field("key", skipped.key()).field("reason", skipped.reason()).endObject();
        }
        json.endArray().name("bytes_by_device").value(tensors.bytesByDevice());
        json.field("bytes_mapped", report.bytesMapped()).field("bytes_read", report.bytesRead());
        json.field("bytes_copied_to_devices", report.bytesCopiedToDevices());
        json.field("bytes_pinned", report.bytesPinned()).name("strategies").beginArray();
        report.strategies().forEach(strategy -> json.value(strategy.name().toLowerCase(Locale.ROOT)));
        json.endArray();
        return json.name("time_ns").value(phases(report)).endObject().toString();
    }

    private void tensor(JsonWriter json, Row row) {
        json.beginObject().field("key", row.key).field("dtype", row.tensor.dtype().torchName());
        json.field("shape", row.tensor.shape()).field("stride", row.tensor.stride());
        json.field("location", row.savedLocation).field("device", row.tensor.device().toString());
        json.field("nbytes", row.tensor.nbytes());
        if (digested) {
            json.field("sha256", row.sha256);
        }
        json.endObject();
    }

    private Map<String, Long> phases(LoadReport report) {
        Map<String, Long> phases = new LinkedHashMap<>();
        nanos.forEach((phase, time) -> {
            phases.put(phase, time);
            if (phase.equals("load")) {
                phases.put("plan", report.planNanos());
                phases.put("transfer", report.transferNanos());
                phases.put("tensors", report.tensorsNanos());
            }
        });
        return phases;
    }

    /** The same for a person. */
    void print(PrintWriter out, boolean all) {
        LoadReport report = tensors.report();
        out.println(Terminal.printable(file + ": " + format + ", " + Units.bytes(size) + ", "
                + Units.count(rows.size(), "tensor")));
        printPlaces(out);
        printBytes(out, report);
        out.println("  time       " + times(report));
        for (LoadReport.Skipped skipped : report.skipped()) {
            out.println("  left out   " + Terminal.printable(skipped.key() + ": " + skipped.reason()));
        }
        if (all || digested) {
            printRows(out);
        }
        out.println();
    }

    private void printPlaces(PrintWriter out) {
        Map<String, long[]> routes = new LinkedHashMap<>();
        for (Row row : rows) {
            String from = row.savedLocation.isEmpty() ? "" : "saved on " + row.savedLocation + ", ";
            long[] sums = routes.computeIfAbsent(from + "now on " + row.tensor.device(), route -> new long[2]);
            sums[0]++;
            sums[1] += row.tensor.nbytes();
        }
        out.println("  map        " + Terminal.printable(mapLocation.toString()));
        routes.forEach((route, sums) -> out.println("  device     " + Terminal.printable(route) + ": "
                + Units.count(sums[0], "tensor") + ", " + Units.bytes(sums[1])));
    }

    private void printBytes(PrintWriter out, LoadReport report) {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<Device, Long> entry : tensors.bytesByDevice().entrySet()) {
            text.append(Units.bytes(entry.getValue())).append(" of storages on ").append(entry.getKey()).append(", ");
        }
        out.println("  bytes      " + text + Units.bytes(report.bytesMapped()) + " mapped, "
                + Units.bytes(report.bytesRead()) + " read, " + Units.bytes(report.bytesCopiedToDevices())
                + " copied to devices");
    }

    private String times(LoadReport report) {
        String digest = nanos.containsKey("digest") ? ", digests " + Units.nanos(nanos.get("digest")) : "";
        return "index " + Units.nanos(nanos.get("open")) + ", load " + Units.nanos(nanos.get("load")) + " (plan "
                + Units.nanos(report.planNanos()) + ", transfer " + Units.nanos(report.transferNanos()) + ", tensors "
                + Units.nanos(report.tensorsNanos()) + ")" + digest + "; native libraries "
                + Units.nanos(nanos.get("libraries"));
    }

    private void printRows(PrintWriter out) {
        Table table = digested ? new Table("key", "dtype", "shape", "device", "sha256").elastic(0)
                : new Table("key", "dtype", "shape", "device", ">bytes").elastic(0);
        for (Row row : rows) {
            String last = digested ? row.sha256 == null ? "(no bytes)" : row.sha256
                    : String.format(java.util.Locale.ROOT, "%,d", row.tensor.nbytes());
            table.add(row.key, row.tensor.dtype().torchName(), Units.shape(row.tensor.shape()),
                    row.tensor.device().toString(), last);
        }
        table.print(out, "  ", digested ? Math.max(140, Terminal.width()) : Terminal.width());
    }

    @Override
    public void close() {
        tensors.close();
    }
}
