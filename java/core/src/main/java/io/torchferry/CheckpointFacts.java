package io.torchferry;

import java.util.List;

/** What is known of a checkpoint once it is open. */
record CheckpointFacts(String name, Format format, long size, List<String> savedLocations) {

    static CheckpointFacts read(byte[] packed, String name) {
        PackReader in = new PackReader(packed);
        return new CheckpointFacts(name, Format.numbered(in.i32()), in.i64(), in.strings());
    }
}
