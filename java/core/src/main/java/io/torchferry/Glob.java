package io.torchferry;

/**
 * A file name pattern in the sense of Python's {@code fnmatch}. Matching takes at most the product of both lengths,
 * whatever the pattern, which a regular expression would not promise.
 */
final class Glob {
    private final int[] pattern;

    Glob(String pattern) {
        this.pattern = pattern.codePoints().toArray();
    }

    boolean matches(String text) {
        int[] key = text.codePoints().toArray();
        int at = 0;
        int in = 0;
        int star = -1;
        int retry = 0;
        while (at < key.length) {
            if (in < pattern.length && pattern[in] == '*') {
                star = in++;
                retry = at;
            } else if (in < pattern.length && matchesOne(in, key[at])) {
                in = after(in);
                at++;
            } else if (star >= 0) {
                in = star + 1;
                at = ++retry;
            } else {
                return false;
            }
        }
        while (in < pattern.length && pattern[in] == '*') {
            in++;
        }
        return in == pattern.length;
    }

    private boolean matchesOne(int in, int character) {
        if (pattern[in] == '?') {
            return true;
        }
        int end = endOfSet(in);
        if (end < 0) {
            return pattern[in] == character;
        }
        boolean negated = pattern[in + 1] == '!';
        boolean found = false;
        for (int i = in + (negated ? 2 : 1); i < end; i++) {
            if (i + 2 < end && pattern[i + 1] == '-') {
                found |= pattern[i] <= character && character <= pattern[i + 2];
                i += 2;
            } else {
                found |= pattern[i] == character;
            }
        }
        return found != negated;
    }

    private int after(int in) {
        int end = endOfSet(in);
        return end < 0 ? in + 1 : end + 1;
    }

    /** The place of the bracket that closes a set which begins here, or -1 where none does. */
    private int endOfSet(int in) {
        if (pattern[in] != '[') {
            return -1;
        }
        // A bracket right at the start is a member.
        int i = in + 1 < pattern.length && pattern[in + 1] == '!' ? in + 3 : in + 2;
        while (i < pattern.length && pattern[i] != ']') {
            i++;
        }
        return i < pattern.length ? i : -1;
    }
}
