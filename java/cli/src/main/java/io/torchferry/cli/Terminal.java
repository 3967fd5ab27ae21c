package io.torchferry.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What is known about where the output goes: a person's terminal, or a pipe or file. */
final class Terminal {
    private static final int DEFAULT_WIDTH = 100;

    private Terminal() {}

    /** Standard output in UTF-8, whatever the locale says: names in checkpoints are Unicode. */
    static PrintWriter out() {
        return utf8(FileDescriptor.out);
    }

    /** Standard error in UTF-8. */
    static PrintWriter err() {
        return utf8(FileDescriptor.err);
    }

    /** Whether standard error is a terminal that can redraw a line. */
    static boolean errIsInteractive() {
        return isTerminal(2) && !"dumb".equals(System.getenv("TERM"));
    }

    /** Whether a person sees colours on standard output: a terminal, and NO_COLOR not set (see no-color.org). */
    static boolean outHasColor() {
        String noColor = System.getenv("NO_COLOR");
        return (noColor == null || noColor.isEmpty()) && isTerminal(1) && !"dumb".equals(System.getenv("TERM"));
    }

    /** The text in bold where colours are seen. */
    static String bold(String text) {
        return outHasColor() ? "\u001b[1m" + text + "\u001b[0m" : text;
    }

    /** The text in green or red where colours are seen. */
    static String verdict(boolean good, String text) {
        return outHasColor() ? (good ? "\u001b[32m" : "\u001b[31m") + text + "\u001b[0m" : text;
    }

    /** Columns of a line: what COLUMNS says (at least 80), else 100. */
    static int width() {
        try {
            return Math.max(80, Integer.parseInt(System.getenv("COLUMNS")));
        } catch (NumberFormatException notSet) {
            return DEFAULT_WIDTH;
        }
    }

    /**
     * The text with control characters and lone surrogates escaped, so that a name in a file can neither move the
     * cursor nor break a table's line.
     */
    static String printable(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            int type = Character.getType(c);
            boolean plain = type != Character.CONTROL && type != Character.FORMAT && type != Character.SURROGATE
                    && type != Character.LINE_SEPARATOR && type != Character.PARAGRAPH_SEPARATOR;
            if (plain) {
                out.appendCodePoint(c);
            } else {
                out.append(c == '\n' ? "\\n" : c == '\t' ? "\\t" : String.format("\\u%04x", c));
            }
        });
        return out.toString();
    }

    /** Columns that the text takes: two for characters of East Asian scripts, full-width forms and emoji, else one. */
    static int columns(String text) {
        return text.codePoints().map(c -> isWide(c) ? 2 : 1).sum();
    }

    private static boolean isWide(int c) {
        if (c < 0x1100) {
            return false;
        }
        Character.UnicodeScript script = Character.UnicodeScript.of(c);
        return script == Character.UnicodeScript.HAN || script == Character.UnicodeScript.HANGUL
                || script == Character.UnicodeScript.HIRAGANA || script == Character.UnicodeScript.KATAKANA
                || c >= 0xff01 && c <= 0xff60 || c >= 0x1f300 && c <= 0x1faff;
    }

    private static boolean isTerminal(int descriptor) {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor)).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
        } catch (IOException | UnsupportedOperationException noProcFileSystem) {
            return System.console() != null;
        }
    }

    private static PrintWriter utf8(FileDescriptor descriptor) {
        return new PrintWriter(new OutputStreamWriter(new FileOutputStream(descriptor), StandardCharsets.UTF_8), true);
    }
}
