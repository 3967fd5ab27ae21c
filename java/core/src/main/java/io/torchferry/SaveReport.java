package io.torchferry;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a save has written.
 *
 * @param files the files in order, the index of shards last
 * @param bytes bytes of these files together
 * @param repeated safetensors: names left out because another name of the same tensor was kept, with that name
 */
public record SaveReport(List<Path> files, long bytes, Map<String, String> repeated) {
    /** Keeps copies. */
    public SaveReport {
        files = List.copyOf(files);
        repeated = Collections.unmodifiableMap(new LinkedHashMap<>(repeated));
    }

    /** Whether the content was spread over several files with an index. */
    public boolean isSharded() {
        return files.size() > 1;
    }
}
