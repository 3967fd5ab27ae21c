package io.torchferry.cli;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The names and shapes of ResNet-50's state_dict in its order, from the architecture's rule: a stem, four stages of 3,
 * 4, 6 and 3 bottleneck blocks, each of three convolutions with batch norms, the last one four times as wide, and a
 * classifier. 320 tensors, 25.6 million elements.
 */
final class ResNet50 {
    private static final int[] BLOCKS = {3, 4, 6, 3};
    private static final int EXPANSION = 4;
    private static final int CLASSES = 1000;

    private final Map<String, long[]> shapes = new LinkedHashMap<>();

    private ResNet50() {}

    /** Shape by name. Names that end in {@code num_batches_tracked} are int64 scalars, all others float32. */
    static Map<String, long[]> stateDict() {
        ResNet50 net = new ResNet50();
        net.convolution("conv1", "bn1", 64, 3, 7);
        long channels = 64;
        for (int stage = 0; stage < BLOCKS.length; stage++) {
            long width = 64L << stage;
            for (int block = 0; block < BLOCKS[stage]; block++) {
                net.bottleneck("layer" + (stage + 1) + "." + block + ".", channels, width, block == 0);
                channels = width * EXPANSION;
            }
        }
        net.shapes.put("fc.weight", new long[] {CLASSES, channels});
        net.shapes.put("fc.bias", new long[] {CLASSES});
        return net.shapes;
    }

    private void bottleneck(String prefix, long channels, long width, boolean first) {
        convolution(prefix + "conv1", prefix + "bn1", width, channels, 1);
        convolution(prefix + "conv2", prefix + "bn2", width, width, 3);
        convolution(prefix + "conv3", prefix + "bn3", width * EXPANSION, width, 1);
        if (first) {
            convolution(prefix + "downsample.0", prefix + "downsample.1", width * EXPANSION, channels, 1);
        }
    }

    private void convolution(String name, String norm, long outputs, long inputs, long kernel) {
        shapes.put(name + ".weight", new long[] {outputs, inputs, kernel, kernel});
        for (String part : new String[] {"weight", "bias", "running_mean", "running_var"}) {
            shapes.put(norm + "." + part, new long[] {outputs});
        }
        shapes.put(norm + ".num_batches_tracked", new long[0]);
    }
}
