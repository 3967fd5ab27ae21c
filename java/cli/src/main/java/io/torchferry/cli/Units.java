package io.torchferry.cli;

import java.util.Locale;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How bytes, durations and shapes read for a person. Sizes are decimal (1 MB = 1,000,000 bytes), as PyTorch's are. */
final class Units {
    private static final String[] SIZES = {"kB", "MB", "GB", "TB", "PB", "EB"};

    private Units() {}

    /** "0 bytes", "1 byte", "12.3 kB", "102 MB". */
    static String bytes(long bytes) {
        if (bytes < 1000) {
            return bytes == 1 ? "1 byte" : bytes + " bytes";
        }
        double size = bytes;
        int unit = -1;
        while (size >= 999.5) {
            size /= 1000;
            unit++;
        }
        return threeDigits(size) + " " + SIZES[unit];
    }

    /**
     * The bytes that "5GB", "512MiB", "100kB" or "1000" say; the units of people (1 GB = 1,000,000,000) and of memory.
     *
     * @throws IllegalArgumentException for other text, and for none at all
     */
    static long parseBytes(String text) {
        Matcher size = Pattern.compile("([0-9]+)\\s*([kmgt]?)(i?)b?", Pattern.CASE_INSENSITIVE)
                .matcher(text.strip());
        if (size.matches() && !(size.group(2).isEmpty() && !size.group(3).isEmpty())) {
            try {
                int power = "kmgt".indexOf(size.group(2).toLowerCase(Locale.ROOT)) + (size.group(2).isEmpty() ? 0 : 1);
                long bytes = Long.parseLong(size.group(1));
                for (int i = 0; i < power; i++) {
                    bytes = Math.multiplyExact(bytes, size.group(3).isEmpty() ? 1000L : 1024L);
                }
                if (bytes > 0) {
                    return bytes;
                }
            } catch (ArithmeticException | NumberFormatException tooLarge) {
                throw new IllegalArgumentException("'" + text + "' is too large", tooLarge);
            }
        }
        throw new IllegalArgumentException("'" + text + "' is not a size; write 5GB, 512MiB or a number of bytes");
    }

    /** "850 ns", "12.3 us", "4.56 ms", "1.23 s", "3 min 20 s". */
    static String nanos(long nanos) {
        if (nanos < 1000) {
            return nanos + " ns";
        }
        if (nanos < 999_500) {
            return threeDigits(nanos / 1e3) + " us";
        }
        if (nanos < 999_500_000) {
            return threeDigits(nanos / 1e6) + " ms";
        }
        if (nanos < 120_000_000_000L) {
            return threeDigits(nanos / 1e9) + " s";
        }
        long seconds = Math.round(nanos / 1e9);
        return seconds / 60 + " min " + seconds % 60 + " s";
    }

    /** "1.23", "12.3", "123", "1234": three digits where there are not more before the point. */
    static String threeDigits(double number) {
        int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
        return String.format(Locale.ROOT, "%." + decimals + "f", number);
    }

    /** "320 tensors", "1 tensor", "10,000 tensors". */
    static String count(long n, String noun) {
        return String.format(Locale.ROOT, "%,d %s%s", n, noun, n == 1 ? "" : "s");
    }

    /** "[64, 3, 7, 7]", as Python prints a shape. */
    static String shape(long[] sizes) {
        StringJoiner text = new StringJoiner(", ", "[", "]");
        for (long size : sizes) {
            text.add(Long.toString(size));
        }
        return text.toString();
    }
}
