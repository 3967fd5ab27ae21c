package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Utf8Test {
    @Test
    void encodesLikeJavaWhereJavaLosesNothing() {
        for (String text : new String[] {"", "conv1.weight", "größe", "权重", "🔥.weight", "a\0b", "\uFFFF"}) {
            assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), Utf8.encode(text));
            assertEquals(text, Utf8.decode(Utf8.encode(text)));
        }
    }

    @Test
    void keepsLoneSurrogates() {
        assertArrayEquals(new byte[] {(byte) 0xED, (byte) 0xA0, (byte) 0x80}, Utf8.encode("\uD800"));
        for (String text : new String[] {"\uD800", "a\uDFFFb", "\uDC00\uD83D", "🔥\uD83D", "\uD83Dx🔥\uDD25"}) {
            assertEquals(text, Utf8.decode(Utf8.encode(text)));
        }
    }

    @Test
    void everyStringSurvivesTheWayAndBack() {
        Random random = new Random(7);
        int[] starts = {0, 0x80, 0x800, 0xD000, 0xD800, 0xDC00, 0xE000, 0xFFF0};
        for (int i = 0; i < 20_000; i++) {
            StringBuilder text = new StringBuilder();
            for (int n = random.nextInt(6); n > 0; n--) {
                text.append((char) (starts[random.nextInt(starts.length)] + random.nextInt(16)));
            }
            assertEquals(text.toString(), Utf8.decode(Utf8.encode(text.toString())));
        }
    }

    @Test
    void damagedBytesBecomeReplacementsAndNothingElse() {
        assertEquals("a\uFFFDb", Utf8.decode(new byte[] {'a', (byte) 0xFF, 'b'}));
        assertEquals("a\uFFFD", Utf8.decode(new byte[] {'a', (byte) 0xED}));
    }
}
