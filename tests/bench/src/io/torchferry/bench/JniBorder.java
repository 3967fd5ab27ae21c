package io.torchferry.bench;

import io.torchferry.Checkpoint;
import io.torchferry.StateDict;
import io.torchferry.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.Blackhole;

/** What crossing from Java to C++ and back costs, call by call, on a state dict of 320 small tensors. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED"})
public class JniBorder {
    private static final int TENSORS = 320;

    private Path file;
    private Checkpoint checkpoint;
    private StateDict dict;
    private Tensor tensor;
    private Tensor scalar;

    /** Writes the file. */
    @Setup
    public void open() throws IOException {
        file = Files.createTempFile("torchferry-jmh-", ".pt");
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < TENSORS; i++) {
            tensors.put("layers." + i + ".weight", Tensor.of(new float[64], 8, 8));
        }
        try (StateDict written = StateDict.of(tensors)) {
            written.save(file);
        }
        tensors.values().forEach(Tensor::close);
        checkpoint = Checkpoint.open(file);
        dict = checkpoint.stateDict();
        tensor = dict.get("layers.7.weight");
        scalar = Tensor.scalar(1.5f);
    }

    /** Gives everything back. */
    @TearDown
    public void close() throws IOException {
        scalar.close();
        dict.close();
        checkpoint.close();
        Files.delete(file);
    }

    /** The index of a file: open, list, close. */
    @Benchmark
    public int openAndList() throws IOException {
        try (Checkpoint opened = Checkpoint.open(file)) {
            return opened.tensors().size();
        }
    }

    /** From an index to 320 tensors, and giving them back. */
    @Benchmark
    public int loadViews() throws IOException {
        try (StateDict loaded = checkpoint.stateDict()) {
            return loaded.size();
        }
    }

    /** Every name with its tensor's shape. */
    @Benchmark
    public void iterate(Blackhole seen) {
        for (Map.Entry<String, Tensor> entry : dict.entrySet()) {
            seen.consume(entry.getKey());
            seen.consume(entry.getValue().shape());
        }
    }

    /** One tensor by its name. */
    @Benchmark
    public Tensor get() {
        return dict.get("layers.300.weight");
    }

    /** A copy of the shape. */
    @Benchmark
    public long[] shape() {
        return tensor.shape();
    }

    /** A number out of a tensor. */
    @Benchmark
    public double item() {
        return scalar.item();
    }

    /** 64 floats into a Java array. */
    @Benchmark
    public float[] toFloatArray() {
        return tensor.toFloatArray();
    }

    /** A tensor from a Java array, and giving it back. */
    @Benchmark
    public long makeAndClose() {
        try (Tensor made = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2)) {
            return made.numel();
        }
    }
}
