package io.torchferry.cli;

import io.torchferry.Checkpoint;
import io.torchferry.TensorInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One of two files to compare.
 *
 * @param tensors by the name they are paired under, in the file's order
 */
record DiffSide(Path file, Checkpoint checkpoint, Map<String, TensorInfo> tensors) {

    /**
     * @param key place of the content, null for all of it
     * @param prefix taken off names, or null
     * @throws Failures.UsageException when there is no such place, or two tensors would have one name
     */
    static DiffSide of(Path file, Checkpoint checkpoint, String key, String prefix) throws IOException {
        Map<String, TensorInfo> tensors = new LinkedHashMap<>();
        for (TensorInfo tensor : checkpoint.tensors(KeyPath.resolve(checkpoint, key))) {
            String name = tensor.key();
            if (prefix != null && name.startsWith(prefix)) {
                name = name.substring(prefix.length());
            }
            TensorInfo other = tensors.put(name, tensor);
            if (other != null) {
                throw new Failures.UsageException(file + ": both '" + other.key() + "' and '" + tensor.key()
                        + "' would be named '" + name + "'");
            }
        }
        return new DiffSide(file, checkpoint, tensors);
    }
}
