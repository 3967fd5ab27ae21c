package io.torchferry;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.StringJoiner;

/** Checkpoints of a wanted size for tests of loaders. */
final class LoaderFiles {
    static final Device ZERO = new Device("privateuseone", 0);
    static final Device ONE = new Device("privateuseone", 1);

    private LoaderFiles() {
    }

    /** Tensors {@code t0}, {@code t1}… saved on cuda:0, each filled with its number. */
    static Path write(Path file, int tensors, int floats) throws IOException {
        return write(file, tensors, floats, 0);
    }

    /** Like {@link #write(Path, int, int)}, each number with something added. */
    static Path write(Path file, int tensors, int floats, float plus) throws IOException {
        Map<String, float[]> content = new LinkedHashMap<>();
        for (int i = 0; i < tensors; i++) {
            float[] values = new float[floats];
            java.util.Arrays.fill(values, i + plus);
            content.put("t" + i, values);
        }
        return Files.write(file, HandMade.floats("cuda:0", content).zip());
    }

    /** A safetensors file of zeros that takes no room on the disk. */
    static Path zeros(Path file, int tensors, long nbytes) throws IOException {
        StringJoiner header = new StringJoiner(",", "{", "}");
        for (int i = 0; i < tensors; i++) {
            header.add(String.format("\"t%d\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%d,%d]}", i, nbytes,
                    i * nbytes, (i + 1) * nbytes));
        }
        byte[] text = header.toString().getBytes(StandardCharsets.US_ASCII);
        try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
            out.writeLong(Long.reverseBytes(text.length));
            out.write(text);
            out.setLength(8 + text.length + tensors * nbytes);
        }
        return file;
    }

    static LoadOptions to(Device device) {
        return LoadOptions.defaults().mapLocation(device);
    }

    static long allocated(int index) {
        return FakeDevice.stat(index, "allocated_bytes");
    }
}
