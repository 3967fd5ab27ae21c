package io.torchferry.cli;

import io.torchferry.TensorInfo;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The tensors of a checkpoint by the parts of their keys, with the bytes below each part. Bytes that an earlier tensor
 * of the file has, too, are counted there and not again: tied weights weigh once.
 */
final class TensorTree {
    /** Parts of a key that become levels; the rest of a longer one stays together. */
    private static final int DEEPEST = 64;

    private final String name;
    private final Map<String, TensorTree> children = new LinkedHashMap<>();
    private TensorInfo tensor;
    private String tiedTo;
    private long bytes;
    private int tensors;

    private TensorTree(String name) {
        this.name = name;
    }

    static TensorTree of(String name, List<TensorInfo> all) {
        TensorTree root = new TensorTree(name);
        Map<Integer, TreeMap<Long, Counted>> counted = new HashMap<>();
        for (TensorInfo tensor : all) {
            String tied = tiedTo(tensor, counted);
            root.add(tensor.key().isEmpty() ? new String[0] : tensor.key().split("\\.", DEEPEST), 0, tensor, tied);
        }
        root.joinLonely();
        return root;
    }

    /** The end of a range of a storage, and the tensor that has it. */
    private record Counted(long end, String key) {}

    /** The earlier tensor whose bytes these are, or null. Counted ranges do not overlap, so one look is enough. */
    private static String tiedTo(TensorInfo tensor, Map<Integer, TreeMap<Long, Counted>> counted) {
        if (tensor.storageIndex() < 0) {
            return null;
        }
        TreeMap<Long, Counted> others = counted.computeIfAbsent(tensor.storageIndex(), i -> new TreeMap<>());
        long first = tensor.storageOffset();
        long end = end(tensor);
        Map.Entry<Long, Counted> before = end > first ? others.lowerEntry(end) : null;
        if (before != null && before.getValue().end > first) {
            return before.getValue().key;
        }
        if (end > first) {
            others.put(first, new Counted(end, tensor.key()));
        }
        return null;
    }

    /** One behind its last element in its storage. */
    private static long end(TensorInfo tensor) {
        long last = tensor.storageOffset();
        long[] shape = tensor.shape();
        long[] stride = tensor.stride();
        for (int i = 0; i < shape.length; i++) {
            if (shape[i] == 0) {
                return tensor.storageOffset();
            }
            last += i < stride.length ? (shape[i] - 1) * stride[i] : 0;
        }
        return last + 1;
    }

    private void add(String[] parts, int depth, TensorInfo added, String tied) {
        bytes += tied == null ? added.nbytes() : 0;
        tensors++;
        if (depth < parts.length) {
            children.computeIfAbsent(parts[depth], TensorTree::new).add(parts, depth + 1, added, tied);
        } else {
            tensor = added;
            tiedTo = tied;
        }
    }

    /** A tensor that has others below its key is one of them; a part with nothing else in it is named together with what is in it: "layer1.0" and not two lines. */
    private void joinLonely() {
        if (tensor != null && !children.isEmpty()) {
            TensorTree itself = new TensorTree("(itself)");
            itself.add(new String[0], 0, tensor, tiedTo);
            children.put(itself.name, itself);
            tensor = null;
            tiedTo = null;
        }
        children.values().forEach(TensorTree::joinLonely);
        Map<String, TensorTree> joined = new LinkedHashMap<>();
        for (TensorTree child : children.values()) {
            TensorTree kept = child;
            if (child.tensor == null && child.children.size() == 1) {
                TensorTree only = child.children.values().iterator().next();
                kept = new TensorTree(child.name + "." + only.name);
                kept.children.putAll(only.children);
                kept.tensor = only.tensor;
                kept.tiedTo = only.tiedTo;
                kept.bytes = only.bytes;
                kept.tensors = only.tensors;
            }
            joined.put(kept.name, kept);
        }
        children.clear();
        children.putAll(joined);
    }

    String name() {
        return name;
    }

    Collection<TensorTree> children() {
        return children.values();
    }

    /** The tensor of exactly this key; null where there is none. */
    TensorInfo tensor() {
        return tensor;
    }

    /** The key under which this tensor's bytes are counted; null when it is its own. */
    String tiedTo() {
        return tiedTo;
    }

    long bytes() {
        return bytes;
    }

    int tensors() {
        return tensors;
    }
}
