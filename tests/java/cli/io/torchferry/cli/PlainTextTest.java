package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

/** Units, tables, the progress bar, error lines: what a person reads. */
class PlainTextTest {
    @Test
    void bytes() {
        assertEquals("0 bytes", Units.bytes(0));
        assertEquals("1 byte", Units.bytes(1));
        assertEquals("999 bytes", Units.bytes(999));
        assertEquals("1.00 kB", Units.bytes(1000));
        assertEquals("12.3 kB", Units.bytes(12_345));
        assertEquals("102 MB", Units.bytes(102_400_000));
        assertEquals("1.00 MB", Units.bytes(999_700));
        assertEquals("9.22 EB", Units.bytes(Long.MAX_VALUE));
    }

    @Test
    void durations() {
        assertEquals("999 ns", Units.nanos(999));
        assertEquals("1.50 us", Units.nanos(1_500));
        assertEquals("12.3 ms", Units.nanos(12_345_678));
        assertEquals("1.00 s", Units.nanos(999_999_999));
        assertEquals("3 min 20 s", Units.nanos(200_000_000_000L));
    }

    @Test
    void counts() {
        assertEquals("1 tensor", Units.count(1, "tensor"));
        assertEquals("10,000 tensors", Units.count(10_000, "tensor"));
        assertEquals("[]", Units.shape(new long[0]));
        assertEquals("[64, 3, 7, 7]", Units.shape(new long[] {64, 3, 7, 7}));
    }

    @Test
    void tablesAreAlignedAndFitTheWidth() {
        Table table = new Table("key", ">bytes", "dtype").elastic(0);
        table.add("a.very.long.name.that.does.not.fit.the.line.weight", "7", "float32");
        table.add("b\n\u001b[2J", "1,000", "bool");
        StringWriter text = new StringWriter();
        table.print(new PrintWriter(text, true), "  ", 40);
        String[] lines = text.toString().split(System.lineSeparator());
        assertEquals("  key                     bytes  dtype", lines[0]);
        assertEquals("  a.very.lo...ine.weight      7  float32", lines[1]);
        assertEquals("  b\\n\\u001b[2J            1,000  bool", lines[2]);
    }

    @Test
    void shorteningNeverCutsACharacterInTwo() {
        assertEquals("😀...😀", Table.shortened("😀".repeat(20), 7));
        assertEquals("😀😀...😀😀", Table.shortened("😀".repeat(20), 11));
        assertEquals("ab...yz", Table.shortened("abcdefghijklmnopqrstuvwxyz", 7));
        assertEquals("重み", Table.shortened("重み", 4));
    }

    @Test
    void errorsAreOneLine() {
        assertEquals("Error(s) in loading state_dict for M: size mismatch \\u001b",
                Failures.oneLine("Error(s) in loading state_dict for M:\n\tsize mismatch \u001b\n"));
    }

    @Test
    void progress() {
        assertEquals("loading x [###############---------------] 50% 1.00 MB of 2.00 MB, 500 kB/s, 2.00 s left",
                ProgressBar.line("loading x", 1_000_000, 2_000_000, 2_000_000_000L));
        assertTrue(ProgressBar.line("x", 5, 0, 1_000_000_000L).contains(" 0% "));
    }

    @Test
    void aBarThatNeverAppearedLeavesNothing() {
        StringWriter text = new StringWriter();
        try (ProgressBar bar = new ProgressBar(new PrintWriter(text, true), "x", true)) {
            bar.update(1, 2);
        }
        assertFalse(text.toString().contains("x"));
        assertEquals("", text.toString());
    }
}
