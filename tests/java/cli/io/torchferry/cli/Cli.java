package io.torchferry.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What a run of the command line gave; runs it inside this JVM. */
record Cli(int status, String out, String err) {
    static Cli run(Object... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] words = new String[arguments.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = arguments[i].toString();
        }
        int status = Main.run(new PrintWriter(out), new PrintWriter(err), words);
        return new Cli(status, out.toString(), err.toString());
    }

    /** Runs, and expects this exit status. */
    static Cli expect(int status, Object... arguments) {
        Cli run = run(arguments);
        assertEquals(status, run.status, () -> List.of(arguments) + " said: " + run.err + run.out);
        return run;
    }

    /** The JSON objects on standard output, one a line. */
    List<Map<String, Object>> objects() {
        return out.lines().map(line -> Json.object(Json.parse(line))).toList();
    }

    /** The one JSON object on standard output. */
    Map<String, Object> object() {
        assertEquals(1, out.lines().count(), out);
        return objects().get(0);
    }

    /** The lines on standard error. */
    List<String> errors() {
        return err.lines().toList();
    }

    /** A file below the folder of committed fixtures. */
    static Path fixture(String name) {
        Path top = Path.of(System.getProperty("torchferry.root", "")).toAbsolutePath();
        while (!Files.isDirectory(top.resolve("tests/java/core/resources/fixtures"))) {
            top = top.getParent();
            if (top == null) {
                throw new IllegalStateException("run this from inside the source tree");
            }
        }
        return top.resolve("tests/java/core/resources/fixtures").resolve(name);
    }
}
