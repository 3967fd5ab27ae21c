package io.torchferry;

/** Values in Python's notation. */
final class PythonText {

    private PythonText() {
    }

    /** {@code repr} of a {@code str}. */
    static String quote(String text) {
        char mark = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder out = new StringBuilder(text.length() + 2).append(mark);
        text.codePoints().forEach(c -> appendEscaped(out, c, mark));
        return out.append(mark).toString();
    }

    private static void appendEscaped(StringBuilder out, int c, char mark) {
        int type = Character.getType(c);
        boolean hidden = type == Character.CONTROL || type == Character.SURROGATE || type == Character.UNASSIGNED
                || type == Character.PRIVATE_USE || type == Character.FORMAT || type == Character.LINE_SEPARATOR
                || type == Character.PARAGRAPH_SEPARATOR || type == Character.SPACE_SEPARATOR && c != ' ';
        if (c == mark || c == '\\') {
            out.append('\\').append((char) c);
        } else if (c == '\n') {
            out.append("\\n");
        } else if (c == '\r') {
            out.append("\\r");
        } else if (c == '\t') {
            out.append("\\t");
        } else if (hidden) {
            out.append(c < 0x100 ? "\\x%02x".formatted(c) : c < 0x10000 ? "\\u%04x".formatted(c)
                    : "\\U%08x".formatted(c));
        } else {
            out.appendCodePoint(c);
        }
    }

    /** {@code repr} of {@code bytes}, the first 64. */
    static String quote(byte[] bytes) {
        StringBuilder out = new StringBuilder("b'");
        for (int i = 0; i < Math.min(bytes.length, 64); i++) {
            int c = bytes[i] & 0xFF;
            if (c == '\'' || c == '\\') {
                out.append('\\').append((char) c);
            } else if (c >= ' ' && c < 0x7F) {
                out.append((char) c);
            } else {
                out.append("\\x%02x".formatted(c));
            }
        }
        return out.append(bytes.length > 64 ? "'... (" + bytes.length + " bytes)" : "'").toString();
    }

    /** {@code repr} of a {@code float}. */
    static String real(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        String text = Double.toString(value);
        int exponent = text.indexOf('E');
        if (exponent < 0) {
            return text;
        }
        double size = Math.abs(value);
        if (size >= 1e-4 && size < 1e16) {
            String plain = new java.math.BigDecimal(text).stripTrailingZeros().toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        String digits = text.substring(0, exponent);
        int power = Integer.parseInt(text.substring(exponent + 1));
        return (digits.endsWith(".0") ? digits.substring(0, digits.length() - 2) : digits)
                + "e%s%02d".formatted(power < 0 ? "-" : "+", Math.abs(power));
    }

    /** A tuple of ints: {@code (3,)}, {@code (2, 3)}. */
    static String tuple(long[] items) {
        StringBuilder out = new StringBuilder("(");
        for (int i = 0; i < items.length; i++) {
            out.append(i == 0 ? "" : ", ").append(items[i]);
        }
        return out.append(items.length == 1 ? ",)" : ")").toString();
    }
}
