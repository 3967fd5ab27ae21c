package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.DType;
import io.torchferry.Layout;
import io.torchferry.StateDictPlace;
import io.torchferry.TensorInfo;
import io.torchferry.UnsupportedCheckpointException;
import io.torchferry.Value;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What {@code inspect} prints for a person. */
final class InspectText {
    private static final int SHORT_HEAD = 20;
    private static final int SHORT_TAIL = 8;
    private static final int SHORT_SHARED = 8;

    private final PrintWriter out;
    private final int width;
    private final boolean all;
    private final boolean values;
    private final boolean tree;

    InspectText(PrintWriter out, int width, boolean all, boolean values, boolean tree) {
        this.out = out;
        this.width = width;
        this.all = all;
        this.values = values;
        this.tree = tree;
    }

    void print(Path file, Checkpoint checkpoint) throws IOException {
        List<TensorInfo> tensors = checkpoint.tensors();
        Storages storages = Storages.of(tensors);
        out.println(Terminal.bold(Terminal.printable(file.toString())));
        out.println("  format     " + checkpoint.format() + ", " + Units.bytes(checkpoint.size()));
        if (checkpoint.saveCount() > 1) {
            out.println("  saves      " + checkpoint.saveCount() + " in this file; --save N shows another (from 0)");
        }
        out.println("  saved on   " + Terminal.printable(locations(checkpoint)));
        out.println("  tensors    " + totals(tensors, storages));
        printModels(checkpoint);
        if (tree) {
            new InspectTree(out, width, all).print(TensorTree.of(file.getFileName().toString(), tensors));
        } else {
            printTensors(tensors);
        }
        printShared(storages.shared());
        printUnsupported(tensors);
        out.println();
        out.println("  Content");
        printContent(checkpoint);
        List<String> opaque = checkpoint.opaqueGlobals();
        if (!opaque.isEmpty()) {
            out.println();
            out.println("  Classes and functions of others, kept as inert data");
            opaque.stream().limit(all ? Long.MAX_VALUE : SHORT_HEAD)
                    .forEach(name -> out.println("    " + Terminal.printable(name)));
            more(opaque.size() - SHORT_HEAD, "name");
        }
        out.println();
    }

    /** Where --key finds a model; nothing where the whole content is one. */
    private void printModels(Checkpoint checkpoint) {
        String places = checkpoint.stateDictPlaces().stream().filter(place -> !place.path().isEmpty())
                .map(StateDictPlace::toString).collect(Collectors.joining(", "));
        if (!places.isEmpty()) {
            out.println("  models     " + Table.shortened(Terminal.printable(places), Math.max(40, width - 13)));
        }
    }

    private void printContent(Checkpoint checkpoint) throws IOException {
        Value root;
        try {
            root = checkpoint.root();
        } catch (UnsupportedCheckpointException e) {
            out.println("    " + Failures.oneLine(e.getMessage()));
            return;
        }
        new ValueOutline(out, width, values).print(root);
    }

    private static String locations(Checkpoint checkpoint) {
        List<String> locations = checkpoint.savedLocations();
        return locations.isEmpty() ? "no device (there are no tensors)" : String.join(", ", locations);
    }

    private static String totals(List<TensorInfo> tensors, Storages storages) {
        Map<DType, Long> elements = new TreeMap<>();
        tensors.forEach(tensor -> elements.merge(tensor.dtype(), tensor.numel(), Long::sum));
        String kinds = elements.entrySet().stream()
                .map(entry -> String.format(Locale.ROOT, "%s %,d", entry.getKey(), entry.getValue()))
                .collect(Collectors.joining(", "));
        return tensors.size() + " in " + Units.count(storages.count(), "storage") + ", "
                + Units.bytes(storages.nbytes()) + (kinds.isEmpty() ? "" : " (elements: " + kinds + ")");
    }

    private void printTensors(List<TensorInfo> tensors) {
        if (tensors.isEmpty()) {
            return;
        }
        boolean strides = tensors.stream().anyMatch(InspectText::isUnusual);
        Table table = strides ? new Table("key", "dtype", "shape", "stride", "location", ">bytes").elastic(0)
                : new Table("key", "dtype", "shape", "location", ">bytes").elastic(0);
        int hidden = all || tensors.size() <= SHORT_HEAD + SHORT_TAIL + 8 ? 0
                : tensors.size() - SHORT_HEAD - SHORT_TAIL;
        for (int i = 0; i < tensors.size(); i++) {
            if (hidden > 0 && i == SHORT_HEAD) {
                String[] gap = new String[strides ? 6 : 5];
                Arrays.fill(gap, "");
                gap[0] = String.format(Locale.ROOT, "... %,d more (--all)", hidden);
                table.add(gap);
                i += hidden;
            }
            table.add(row(tensors.get(i), strides));
        }
        out.println();
        table.print(out, "  ", width);
    }

    private static String[] row(TensorInfo tensor, boolean strides) {
        String key = tensor.key().isEmpty() ? "(the content itself)" : tensor.key();
        String dtype = tensor.dtype().torchName();
        String shape = Units.shape(tensor.shape());
        String bytes = String.format(Locale.ROOT, "%,d", tensor.nbytes());
        return strides ? new String[] {key, dtype, shape, stride(tensor), tensor.location(), bytes}
                : new String[] {key, dtype, shape, tensor.location(), bytes};
    }

    /** The strides where they are not what the shape gives; the layout where there are none. */
    private static String stride(TensorInfo tensor) {
        if (tensor.layout() != Layout.STRIDED) {
            return tensor.layout().toString();
        }
        return (tensor.isContiguous() ? "" : Units.shape(tensor.stride())) + (tensor.isConj() ? " conj" : "")
                + (tensor.isNeg() ? " neg" : "");
    }

    private static boolean isUnusual(TensorInfo tensor) {
        return !stride(tensor).isEmpty();
    }

    private void printShared(List<Storages.Shared> shared) {
        if (shared.isEmpty()) {
            return;
        }
        out.println();
        out.println("  Storages that several tensors share");
        for (Storages.Shared storage : shared.subList(0, all ? shared.size() : Math.min(SHORT_SHARED, shared.size()))) {
            String keys = String.join(", ", storage.keys());
            out.println("    " + Units.bytes(storage.nbytes()) + ": "
                    + (all ? Terminal.printable(keys) : Table.shortened(Terminal.printable(keys), width - 20)));
        }
        more(shared.size() - SHORT_SHARED, "storage");
    }

    private void printUnsupported(List<TensorInfo> tensors) {
        List<TensorInfo> unsupported = tensors.stream().filter(t -> t.unsupportedReason().isPresent()).toList();
        if (unsupported.isEmpty()) {
            return;
        }
        out.println();
        out.println("  Tensors that cannot be loaded (the others can)");
        unsupported.stream().limit(all ? Long.MAX_VALUE : SHORT_SHARED).forEach(tensor -> out.println("    "
                + Terminal.printable(tensor.key() + ": " + tensor.unsupportedReason().get())));
        more(unsupported.size() - SHORT_SHARED, "tensor");
    }

    private void more(int hidden, String noun) {
        if (!all && hidden > 0) {
            out.println("    ... and " + Units.count(hidden, "more " + noun) + " (--all)");
        }
    }
}
