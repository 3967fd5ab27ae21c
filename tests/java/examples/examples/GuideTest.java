package examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The guide shows the examples as they are: a code block that follows a comment {@code <!-- FILE from TEXT -->} is that
 * file's text from the first line that starts with TEXT. With {@code -Dguide.update=true} the guide is written anew.
 */
class GuideTest {
    private static final Path ROOT = Path.of(System.getProperty("torchferry.root"));
    private static final Path GUIDE = ROOT.resolve("docs/guide.md");
    private static final Pattern BLOCK =
            Pattern.compile("<!-- (\\S+) from ([^\n]+) -->\n```(\\w+)\n(.*?)\n```\n", Pattern.DOTALL);

    @Test
    void theGuideShowsTheFilesAsTheyAre() throws IOException {
        String guide = Files.readString(GUIDE);
        String fresh = BLOCK.matcher(guide).replaceAll(block -> Matcher.quoteReplacement("<!-- " + block.group(1)
                + " from " + block.group(2) + " -->\n```" + block.group(3) + "\n"
                + text(block.group(1), block.group(2)) + "\n```\n"));
        if (Boolean.getBoolean("guide.update")) {
            Files.writeString(GUIDE, fresh);
        } else {
            assertEquals(fresh, guide, "docs/guide.md is older than the examples: run this test with -Dguide.update=true");
        }
    }

    @Test
    void everyExampleIsShown() throws IOException {
        String guide = Files.readString(GUIDE);
        List<String> shown = new ArrayList<>();
        BLOCK.matcher(guide).results().forEach(block -> shown.add(block.group(1)));
        for (String folder : List.of("examples/java/src/main/java/examples", "examples/cpp")) {
            try (Stream<Path> files = Files.list(ROOT.resolve(folder))) {
                for (Path file : files.filter(one -> one.toString().matches(".*\\.(java|cpp)")).toList()) {
                    String name = folder + "/" + file.getFileName();
                    assertTrue(shown.contains(name), () -> "docs/guide.md does not show " + name);
                }
            }
        }
    }

    private static String text(String file, String from) {
        try {
            List<String> lines = Files.readAllLines(ROOT.resolve(file));
            int first = 0;
            while (first < lines.size() && !lines.get(first).startsWith(from)) {
                first++;
            }
            assertTrue(first < lines.size(), file + " has no line that starts with " + from);
            return String.join("\n", lines.subList(first, lines.size()));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
