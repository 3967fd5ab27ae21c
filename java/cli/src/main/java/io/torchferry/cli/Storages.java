package io.torchferry.cli;

import io.torchferry.TensorInfo;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The storages below a list of tensors, each counted once.
 *
 * @param count how many there are
 * @param nbytes their bytes in memory
 * @param shared those that several tensors use, in order of first use
 */
record Storages(int count, long nbytes, List<Shared> shared) {
    /**
     * A storage with several tensors: tied weights, or views of one memory.
     *
     * @param index its number in the file
     * @param nbytes its bytes
     * @param keys the tensors that use it
     */
    record Shared(int index, long nbytes, List<String> keys) {}

    static Storages of(List<TensorInfo> tensors) {
        Map<Integer, Shared> all = new LinkedHashMap<>();
        for (TensorInfo tensor : tensors) {
            add(all, tensor, tensor.key());
        }
        long nbytes = all.values().stream().mapToLong(Shared::nbytes).sum();
        return new Storages(all.size(), nbytes, all.values().stream().filter(s -> s.keys.size() > 1).toList());
    }

    private static void add(Map<Integer, Shared> all, TensorInfo tensor, String key) {
        if (tensor.storageIndex() >= 0) {
            all.computeIfAbsent(tensor.storageIndex(), i -> new Shared(i, tensor.storageBytes(), new ArrayList<>()))
                    .keys.add(key);
        }
        for (TensorInfo part : tensor.parts()) {
            add(all, part, key);
        }
    }
}
