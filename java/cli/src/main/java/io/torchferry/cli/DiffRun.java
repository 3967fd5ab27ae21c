package io.torchferry.cli;

import io.torchferry.TensorDifference;
import io.torchferry.TensorInfo;
import io.torchferry.UnsupportedCheckpointException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Two files, compared: what {@code diff} has to say about them. */
final class DiffRun {
    private static final int MOST_SHOWN = 40;

    /** What came of a tensor that both files have. */
    enum Status {
        SAME, CLOSE, DIFFERENT, INCOMPARABLE;

        boolean isSame() {
            return this == SAME || this == CLOSE;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A tensor of both. {@code found} is null where elements were not compared; {@code note} says what else differs. */
    private record Pair(String key, TensorInfo a, TensorInfo b, Status status, TensorDifference found, String note) {}

    private final DiffSide a;
    private final DiffSide b;
    private final double relative;
    private final double absolute;
    private final boolean ignoreDtype;
    private final List<String> onlyInA = new ArrayList<>();
    private final List<String> onlyInB = new ArrayList<>();
    private final List<Pair> pairs = new ArrayList<>();

    DiffRun(DiffSide a, DiffSide b, double relative, double absolute, boolean ignoreDtype) {
        this.a = a;
        this.b = b;
        this.relative = relative;
        this.absolute = absolute;
        this.ignoreDtype = ignoreDtype;
    }

    void compare(PrintWriter err) throws IOException {
        b.tensors().keySet().stream().filter(key -> !a.tensors().containsKey(key)).forEach(onlyInB::add);
        long total = a.tensors().values().stream().mapToLong(TensorInfo::nbytes).sum();
        long done = 0;
        try (ProgressBar bar = new ProgressBar(err, "comparing", Terminal.errIsInteractive())) {
            for (Map.Entry<String, TensorInfo> entry : a.tensors().entrySet()) {
                TensorInfo other = b.tensors().get(entry.getKey());
                if (other == null) {
                    onlyInA.add(entry.getKey());
                } else {
                    pairs.add(pair(entry.getKey(), entry.getValue(), other));
                }
                done += entry.getValue().nbytes();
                bar.update(done, total);
            }
        }
    }

    private Pair pair(String key, TensorInfo x, TensorInfo y) throws IOException {
        String note = note(x, y);
        if (!a.checkpoint().isComparable(x, b.checkpoint(), y)) {
            String why = note.isEmpty() ? "dtype " + x.dtype() + " / " + y.dtype() : note;
            return new Pair(key, x, y, Status.INCOMPARABLE, null, why);
        }
        TensorDifference found;
        try {
            found = a.checkpoint().compare(x, b.checkpoint(), y, relative, absolute);
        } catch (UnsupportedCheckpointException e) {
            return new Pair(key, x, y, Status.INCOMPARABLE, null, e.getMessage());
        }
        Status status = !note.isEmpty() || !found.isClose() ? Status.DIFFERENT
                : found.isEqual() ? Status.SAME : Status.CLOSE;
        return new Pair(key, x, y, status, found, note);
    }

    /** What differs before any element is looked at. */
    private String note(TensorInfo x, TensorInfo y) {
        List<String> notes = new ArrayList<>();
        if (x.dtype() != y.dtype() && !ignoreDtype) {
            notes.add("dtype " + x.dtype() + " / " + y.dtype());
        }
        if (!Arrays.equals(x.shape(), y.shape())) {
            notes.add("shape " + Units.shape(x.shape()) + " / " + Units.shape(y.shape()));
        }
        if (x.layout() != y.layout()) {
            notes.add("layout " + x.layout() + " / " + y.layout());
        } else if (!x.quantization().equals(y.quantization())) {
            notes.add("another quantization");
        }
        return String.join(", ", notes);
    }

    /** Whether both have the same names, and all tensors are the same or within the tolerance. */
    boolean isSame() {
        return onlyInA.isEmpty() && onlyInB.isEmpty() && pairs.stream().allMatch(pair -> pair.status.isSame());
    }

    /** The JSON object of the contract. */
    String json() {
        JsonWriter json = new JsonWriter().beginObject();
        side(json, "a", a);
        side(json, "b", b);
        json.field("same", isSame()).field("only_in_a", onlyInA).field("only_in_b", onlyInB);
        json.name("tensors").beginArray();
        for (Pair pair : pairs) {
            json.beginObject().field("key", pair.key).field("status", pair.status.toString());
            tensor(json, "a", pair.a);
            tensor(json, "b", pair.b);
            if (!pair.note.isEmpty()) {
                json.field("note", pair.note);
            }
            if (pair.found != null) {
                numbers(json, pair.found);
            }
            json.endObject();
        }
        return json.endArray().endObject().toString();
    }

    private static void side(JsonWriter json, String name, DiffSide side) {
        json.name(name).beginObject().field("file", side.file().toString());
        json.field("format", side.checkpoint().format().toString()).field("tensors", side.tensors().size()).endObject();
    }

    private static void tensor(JsonWriter json, String name, TensorInfo tensor) {
        json.name(name).beginObject().field("dtype", tensor.dtype().torchName()).field("shape", tensor.shape());
        json.field("location", tensor.location()).endObject();
    }

    private static void numbers(JsonWriter json, TensorDifference found) {
        json.field("elements", found.elements()).field("different", found.different());
        json.field("not_close", found.notClose()).field("bits_equal", found.bitsEqual());
        json.field("nan_a", found.nanHere()).field("nan_b", found.nanThere());
        if (found.measured()) {
            json.field("max_abs", found.maxAbsolute()).field("max_rel", found.maxRelative());
        }
        if (!found.isEqual()) {
            json.field("first", found.first());
        }
    }

    /** The same for a person. */
    void print(PrintWriter out, int width, boolean all) {
        heading(out, "A", a);
        heading(out, "B", b);
        names(out, "only in A", onlyInA, a, all);
        names(out, "only in B", onlyInB, b, all);
        List<Pair> shown = pairs.stream().filter(pair -> all || !pair.status.isSame()).toList();
        if (!shown.isEmpty()) {
            out.println();
            table(shown, all).print(out, "  ", width);
            if (!all && shown.size() > MOST_SHOWN) {
                out.println("  ... and " + (shown.size() - MOST_SHOWN) + " more (--all)");
            }
        }
        printLocations(out);
        out.println();
        out.println("  " + summary());
    }

    private static void heading(PrintWriter out, String label, DiffSide side) {
        out.println(Terminal.printable(label + "  " + side.file() + ": " + side.checkpoint().format() + ", "
                + Units.count(side.tensors().size(), "tensor")));
    }

    private static void names(PrintWriter out, String label, List<String> keys, DiffSide side, boolean all) {
        if (keys.isEmpty()) {
            return;
        }
        out.println();
        out.println("  " + label + " (" + keys.size() + ")");
        for (String key : keys.subList(0, all ? keys.size() : Math.min(keys.size(), MOST_SHOWN))) {
            TensorInfo tensor = side.tensors().get(key);
            out.println("    " + Terminal.printable(key + "  " + tensor.dtype() + " " + Units.shape(tensor.shape())));
        }
        if (!all && keys.size() > MOST_SHOWN) {
            out.println("    ... and " + (keys.size() - MOST_SHOWN) + " more (--all)");
        }
    }

    private static Table table(List<Pair> shown, boolean all) {
        Table table = new Table("key", "dtype", "shape", ">different", ">max abs", ">max rel", "").elastic(0);
        for (Pair pair : shown.subList(0, all ? shown.size() : Math.min(shown.size(), MOST_SHOWN))) {
            TensorDifference found = pair.found;
            boolean measured = found != null && found.measured() && !found.isEqual();
            table.add(pair.key.isEmpty() ? "(the content itself)" : pair.key, pair.a.dtype().torchName(),
                    Units.shape(pair.a.shape()), found == null ? "" : count(found),
                    measured ? number(found.maxAbsolute()) : "", measured ? number(found.maxRelative()) : "",
                    remarks(pair));
        }
        return table;
    }

    private static String count(TensorDifference found) {
        return found.isEqual() ? "0"
                : String.format(Locale.ROOT, "%,d of %,d", found.different(), found.elements());
    }

    private static String number(double value) {
        return Double.isInfinite(value) ? "inf" : String.format(Locale.ROOT, "%.3g", value);
    }

    private static String remarks(Pair pair) {
        List<String> remarks = new ArrayList<>();
        if (!pair.note.isEmpty()) {
            remarks.add(pair.note);
        }
        if (pair.status == Status.CLOSE) {
            remarks.add("within the tolerance");
        }
        TensorDifference found = pair.found;
        if (found != null && found.nanHere() + found.nanThere() > 0 && !found.isEqual()) {
            remarks.add(String.format(Locale.ROOT, "NaN %,d / %,d", found.nanHere(), found.nanThere()));
        }
        return String.join("; ", remarks);
    }

    private void printLocations(PrintWriter out) {
        Map<String, Long> moves = new java.util.LinkedHashMap<>();
        for (Pair pair : pairs) {
            if (!pair.a.location().equals(pair.b.location())) {
                moves.merge(place(pair.a) + " in A, " + place(pair.b) + " in B", 1L, Long::sum);
            }
        }
        if (!moves.isEmpty()) {
            out.println();
        }
        moves.forEach((move, count) -> out.println("  saved on   " + Terminal.printable(move + ": "
                + Units.count(count, "tensor"))));
    }

    private static String place(TensorInfo tensor) {
        return tensor.location().isEmpty() ? "no device" : tensor.location();
    }

    private String summary() {
        long close = pairs.stream().filter(pair -> pair.status == Status.CLOSE).count();
        long different = pairs.stream().filter(pair -> !pair.status.isSame()).count();
        String text = Units.count(pairs.size() - different - close, "tensor") + " the same";
        text += close > 0 ? ", " + close + " within the tolerance" : "";
        text += different > 0 ? ", " + different + " different" : "";
        text += onlyInA.isEmpty() ? "" : ", " + onlyInA.size() + " only in A";
        return text + (onlyInB.isEmpty() ? "" : ", " + onlyInB.size() + " only in B");
    }
}
