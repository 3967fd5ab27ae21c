package io.torchferry.cache;

import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Checkpoints that tests write. */
final class Saved {

    private Saved() {
    }

    /** Puts a file in place at once: tensors {@code t0}, {@code t1}… of float32, each filled with one value. */
    static Path write(Path file, int tensors, int floats, float value) throws IOException {
        Map<String, Tensor> content = new LinkedHashMap<>();
        float[] values = new float[floats];
        Arrays.fill(values, value);
        for (int i = 0; i < tensors; i++) {
            content.put("t" + i, Tensor.of(values));
        }
        Path whole = Files.createTempFile(file.toAbsolutePath().getParent(), "saved-", ".tmp");
        try (StateDict dict = StateDict.of(content)) {
            dict.save(whole);
        }
        content.values().forEach(Tensor::close);
        return Files.move(whole, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }
}
