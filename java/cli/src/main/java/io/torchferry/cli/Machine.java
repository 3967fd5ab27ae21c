package io.torchferry.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The machine that a measurement was made on, as far as it tells.
 *
 * @param platform operating system and processor architecture
 * @param processor the processor's name, or "unknown"
 * @param processors how many the JVM may use
 * @param memory bytes of main memory, 0 when not known
 * @param kernel the operating system's version
 */
record Machine(String platform, String processor, int processors, long memory, String kernel) {
    static Machine here() {
        return new Machine(VersionInfo.platform(), field("/proc/cpuinfo", "model name", "unknown"),
                Runtime.getRuntime().availableProcessors(), memoryBytes(), System.getProperty("os.version"));
    }

    /** The system's load average of the last minute, or NaN: measurements on a busy machine say less. */
    static double load() {
        try {
            return Double.parseDouble(Files.readString(Path.of("/proc/loadavg")).split(" ")[0]);
        } catch (IOException | NumberFormatException notThisSystem) {
            return Double.NaN;
        }
    }

    void write(JsonWriter json) {
        json.beginObject().field("platform", platform).field("processor", processor).field("processors", processors)
                .field("memory", memory).field("kernel", kernel).endObject();
    }

    @Override
    public String toString() {
        return platform + ", " + processor + ", " + Units.count(processors, "processor") + ", " + Units.bytes(memory);
    }

    private static long memoryBytes() {
        String[] words = field("/proc/meminfo", "MemTotal", "0 kB").split(" ");
        return words[0].chars().allMatch(Character::isDigit) ? Long.parseLong(words[0]) * 1024 : 0;
    }

    private static String field(String file, String name, String otherwise) {
        List<String> lines;
        try {
            lines = Files.readAllLines(Path.of(file), StandardCharsets.ISO_8859_1);
        } catch (IOException notThisSystem) {
            return otherwise;
        }
        return lines.stream().filter(line -> line.startsWith(name)).findFirst()
                .map(line -> line.substring(line.indexOf(':') + 1).strip()).orElse(otherwise);
    }
}
