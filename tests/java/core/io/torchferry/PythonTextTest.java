package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Expected texts are what CPython 3.11 prints. */
class PythonTextTest {
    @Test
    void quotesStringsLikeRepr() {
        assertEquals("'a'", PythonText.quote("a"));
        assertEquals("\"it's\"", PythonText.quote("it's"));
        assertEquals("'\\'\"'", PythonText.quote("'\""));
        assertEquals("'a\\n\\t\\\\\\x00\\x7f'", PythonText.quote("a\n\t\\\0\u007F"));
        assertEquals("'größe 🔥 \\ud800'", PythonText.quote("größe 🔥 \uD800"));
    }

    @Test
    void quotesBytesLikeRepr() {
        assertEquals("b'ab\\x00\\xff\\''", PythonText.quote(new byte[] {'a', 'b', 0, (byte) 0xFF, '\''}));
    }

    @Test
    void printsFloatsLikeRepr() {
        assertEquals("1.0", PythonText.real(1));
        assertEquals("-0.0", PythonText.real(-0.0));
        assertEquals("0.1", PythonText.real(0.1));
        assertEquals("10000000.0", PythonText.real(1e7));
        assertEquals("1234567890123456.0", PythonText.real(1234567890123456.0));
        assertEquals("1e+16", PythonText.real(1e16));
        assertEquals("1.5e-05", PythonText.real(1.5e-5));
        assertEquals("0.0005", PythonText.real(0.0005));
        assertEquals("1e+300", PythonText.real(1e300));
        assertEquals("nan", PythonText.real(Double.NaN));
        assertEquals("-inf", PythonText.real(Double.NEGATIVE_INFINITY));
    }

    @Test
    void printsTuplesLikeRepr() {
        assertEquals("()", PythonText.tuple(new long[0]));
        assertEquals("(3,)", PythonText.tuple(new long[] {3}));
        assertEquals("(2, 3)", PythonText.tuple(new long[] {2, 3}));
    }
}
