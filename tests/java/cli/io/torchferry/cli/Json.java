package io.torchferry.cli;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A strict reader of JSON for tests: objects are maps, arrays lists, numbers {@link BigDecimal}. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The one value that the text is; anything before or behind it is an error. */
    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.blanks();
        json.require(json.at == text.length(), "text behind the value");
        return value;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> array(Object value) {
        return (List<Object>) value;
    }

    /** The objects of an array that is a member of an object. */
    static List<Map<String, Object>> objects(Map<String, Object> owner, String name) {
        return array(owner.get(name)).stream().map(Json::object).toList();
    }

    private Object value() {
        blanks();
        char c = peek();
        if (c == '{') {
            return members();
        }
        if (c == '[') {
            return items();
        }
        if (c == '"') {
            return string();
        }
        for (String word : new String[] {"null", "true", "false"}) {
            if (text.startsWith(word, at)) {
                at += word.length();
                return word.equals("null") ? null : (Object) word.equals("true");
            }
        }
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        require(at > start, "a value");
        return new BigDecimal(text.substring(start, at));
    }

    private Map<String, Object> members() {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        for (blanks(); peek() != '}'; blanks()) {
            if (!members.isEmpty()) {
                expect(',');
                blanks();
            }
            String name = string();
            blanks();
            expect(':');
            require(!members.containsKey(name), "a name once: " + name);
            members.put(name, value());
        }
        at++;
        return members;
    }

    private List<Object> items() {
        List<Object> items = new ArrayList<>();
        at++;
        for (blanks(); peek() != ']'; blanks()) {
            if (!items.isEmpty()) {
                expect(',');
            }
            items.add(value());
        }
        at++;
        return items;
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        expect('"');
        while (peek() != '"') {
            char c = text.charAt(at++);
            require(c >= 0x20, "no control character");
            if (c != '\\') {
                out.append(c);
                continue;
            }
            char kind = text.charAt(at++);
            if (kind == 'u') {
                out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                int known = "\"\\/bfnrt".indexOf(kind);
                require(known >= 0, "a known escape");
                out.append("\"\\/\b\f\n\r\t".charAt(known));
            }
        }
        at++;
        return out.toString();
    }

    private char peek() {
        require(at < text.length(), "more text");
        return text.charAt(at);
    }

    private void expect(char c) {
        require(peek() == c, "'" + c + "'");
        at++;
    }

    private void blanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private void require(boolean truth, String what) {
        if (!truth) {
            throw new IllegalArgumentException("JSON wants " + what + " at " + at + ": "
                    + text.substring(Math.max(0, at - 20), Math.min(text.length(), at + 20)));
        }
    }
}
