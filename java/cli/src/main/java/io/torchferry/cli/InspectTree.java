package io.torchferry.cli;

import io.torchferry.TensorInfo;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.PriorityQueue;
import java.util.Set;

/** A {@link TensorTree} as lines with bytes and their share, the heaviest parts opened as long as lines are left. */
final class InspectTree {
    private static final int MOST_LINES = 40;

    private final PrintWriter out;
    private final int width;
    private final boolean all;
    private final Set<TensorTree> opened = new HashSet<>();
    private long total;

    InspectTree(PrintWriter out, int width, boolean all) {
        this.out = out;
        this.width = width;
        this.all = all;
    }

    void print(TensorTree root) {
        total = root.bytes();
        open(root);
        out.println();
        print(root, "", "");
    }

    /** Chooses the parts whose content is shown. */
    private void open(TensorTree root) {
        PriorityQueue<TensorTree> heaviest = new PriorityQueue<>(
                Comparator.comparingLong(TensorTree::bytes).reversed().thenComparing(TensorTree::name));
        heaviest.add(root);
        int lines = 1;
        while (!heaviest.isEmpty()) {
            TensorTree next = heaviest.poll();
            int more = next.children().size();
            if (all || next == root || lines + more <= MOST_LINES) {
                opened.add(next);
                lines += more;
                heaviest.addAll(next.children());
            }
        }
    }

    /** @param first stands before the part's own line, {@code below} before those of its content */
    private void print(TensorTree part, String first, String below) {
        String share = total == 0 ? "" : String.format(Locale.ROOT, "%5.1f%%", 100.0 * part.bytes() / total);
        String line = String.format("  %9s %6s  ", Units.bytes(part.bytes()), share) + first
                + Terminal.printable(text(part));
        out.println(Table.shortened(line, Math.max(60, width)));
        if (!opened.contains(part)) {
            return;
        }
        List<TensorTree> shown = shown(part);
        for (int i = 0; i < shown.size(); i++) {
            boolean last = i == shown.size() - 1 && shown.size() == part.children().size();
            print(shown.get(i), below + (last ? "└─ " : "├─ "), below + (last ? "   " : "│  "));
        }
        if (shown.size() < part.children().size()) {
            int hidden = part.children().size() - shown.size();
            out.println(" ".repeat(20) + below + "└─ ... and " + Units.count(hidden, "smaller part") + " (--all)");
        }
    }

    /** In the file's order; the heaviest where there are too many. */
    private List<TensorTree> shown(TensorTree part) {
        List<TensorTree> children = new ArrayList<>(part.children());
        if (all || children.size() <= MOST_LINES) {
            return children;
        }
        List<TensorTree> heaviest = new ArrayList<>(children);
        heaviest.sort(Comparator.comparingLong(TensorTree::bytes).reversed());
        Set<TensorTree> kept = new HashSet<>(heaviest.subList(0, MOST_LINES));
        children.removeIf(child -> !kept.contains(child));
        return children;
    }

    private String text(TensorTree part) {
        TensorInfo tensor = part.tensor();
        String text = part.name();
        if (tensor != null) {
            text += "  " + tensor.dtype() + " " + Units.shape(tensor.shape());
        }
        if (part.tiedTo() != null) {
            text += "  = " + part.tiedTo();
        }
        boolean closed = !opened.contains(part) && !part.children().isEmpty();
        return closed || tensor == null ? text + " (" + Units.count(part.tensors(), "tensor") + ")" : text;
    }
}
