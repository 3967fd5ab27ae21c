package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class JsonWriterTest {
    @Test
    void objectsArraysAndCommas() {
        JsonWriter json = new JsonWriter().beginObject();
        json.field("a", 1).field("b", new long[] {2, 3}).field("c", List.of()).name("d").beginArray();
        json.beginObject().endObject().beginObject().field("e", true).endObject().value((String) null);
        json.endArray().name("f").value(Map.of("g", 4L)).endObject();
        assertEquals("{\"a\":1,\"b\":[2,3],\"c\":[],\"d\":[{},{\"e\":true},null],\"f\":{\"g\":4}}", json.toString());
    }

    @Test
    void everyCharacterIsEscapedThatIsNotPlainAscii() {
        assertEquals("\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\\u007f/\"",
                new JsonWriter().value("\"\\\n\r\t\u0000\u001f\u007f/").toString());
        assertEquals("\"\\u00e9\\u5c64\\ud83d\\ude00\"", new JsonWriter().value("é層😀").toString());
    }

    @Test
    void loneSurrogatesStayWhatTheyAre() {
        assertEquals("\"\\ud800x\\udfff\"", new JsonWriter().value("\ud800x\udfff").toString());
        assertEquals("{\"\\udc80\":0}", new JsonWriter().beginObject().field("\udc80", 0).endObject().toString());
    }

    @Test
    void numbersThatJsonDoesNotKnow() {
        assertEquals("[\"NaN\",\"-Infinity\",1.5,-9223372036854775808]", new JsonWriter().beginArray()
                .value(Double.NaN).value(Double.NEGATIVE_INFINITY).value(1.5).value(Long.MIN_VALUE).endArray()
                .toString());
    }

    @Test
    void anUnfinishedDocumentIsNotHandedOut() {
        assertThrows(IllegalStateException.class, () -> new JsonWriter().beginArray().toString());
    }
}
