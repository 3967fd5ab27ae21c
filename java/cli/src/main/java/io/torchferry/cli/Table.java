package io.torchferry.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Rows of text in aligned columns, two blanks apart. Columns whose heading starts with {@code >} are aligned to the
 * right. One column may be shortened in its middle so that a line fits the width; the others are printed in full.
 */
final class Table {
    private static final int SHORTEST = 16;

    private final String[] headings;
    private final boolean[] right;
    private final List<String[]> rows = new ArrayList<>();
    private int elastic = -1;

    Table(String... headings) {
        this.headings = new String[headings.length];
        this.right = new boolean[headings.length];
        for (int i = 0; i < headings.length; i++) {
            right[i] = headings[i].startsWith(">");
            this.headings[i] = right[i] ? headings[i].substring(1) : headings[i];
        }
    }

    /** The column that gives way when a line would be too long. */
    Table elastic(int column) {
        elastic = column;
        return this;
    }

    void add(String... cells) {
        if (cells.length != headings.length) {
            throw new IllegalArgumentException(cells.length + " cells for " + headings.length + " columns");
        }
        String[] printable = Arrays.stream(cells).map(Terminal::printable).toArray(String[]::new);
        rows.add(printable);
    }

    /** Prints headings and rows, each line at most {@code width} columns wide where the elastic column allows it. */
    void print(PrintWriter out, String indent, int width) {
        int[] widths = new int[headings.length];
        measure(headings, widths);
        rows.forEach(row -> measure(row, widths));
        if (elastic >= 0) {
            int others = Arrays.stream(widths).sum() - widths[elastic] + 2 * (widths.length - 1) + indent.length();
            widths[elastic] = Math.min(widths[elastic], Math.max(SHORTEST, width - others));
        }
        out.println(Terminal.bold(line(indent, headings, widths)));
        rows.forEach(row -> out.println(line(indent, row, widths)));
    }

    private static void measure(String[] row, int[] widths) {
        for (int i = 0; i < row.length; i++) {
            widths[i] = Math.max(widths[i], Terminal.columns(row[i]));
        }
    }

    private String line(String indent, String[] row, int[] widths) {
        StringBuilder line = new StringBuilder(indent);
        for (int i = 0; i < row.length; i++) {
            String cell = Terminal.columns(row[i]) > widths[i] ? shortened(row[i], widths[i]) : row[i];
            String gap = " ".repeat(Math.max(0, widths[i] - Terminal.columns(cell)));
            line.append(right[i] ? gap + cell : cell + gap).append("  ");
        }
        return line.toString().stripTrailing();
    }

    /** The start and the end of a text with "..." between them: both ends of a parameter's name tell something. */
    static String shortened(String text, int width) {
        if (Terminal.columns(text) <= width) {
            return text;
        }
        int[] characters = text.codePoints().toArray();
        int room = Math.max(2, width - 3);
        int head = fitting(characters, 0, 1, room / 2);
        int tail = fitting(characters, characters.length - 1, -1, room - room / 2);
        return new String(characters, 0, head) + "..." + new String(characters, characters.length - tail, tail);
    }

    /** How many characters from {@code first} on, in the direction of {@code step}, fit into {@code room} columns. */
    private static int fitting(int[] characters, int first, int step, int room) {
        int count = 0;
        int left = room;
        for (int i = first; i >= 0 && i < characters.length; i += step) {
            left -= Terminal.columns(Character.toString(characters[i]));
            if (left < 0) {
                break;
            }
            count++;
        }
        return count;
    }
}
