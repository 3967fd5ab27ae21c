package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiPredicate;

/** Compares an opened file's tensors, as they are known without libtorch, with what PyTorch loaded. */
final class IndexComparison {
    private final Checkpoint file;
    private final InteropCases.Case expected;
    private final List<TensorInfo> tensors;

    private IndexComparison(Checkpoint file, InteropCases.Case expected) {
        this.file = file;
        this.expected = expected;
        this.tensors = file.tensors();
    }

    /** Everything that a {@link TensorInfo} tells, and the digests of the elements. */
    static void compare(Checkpoint file, InteropCases.Case expected) throws IOException {
        IndexComparison comparison = new IndexComparison(file, expected);
        comparison.facts();
        for (int i = 0; i < expected.tensors().size(); i++) {
            comparison.tensor(expected.tensors().get(i), comparison.tensors.get(i));
        }
        comparison.objects();
        sharing(expected.tensors(), comparison.tensors, TensorInfo::sharesStorageWith);
    }

    private void facts() {
        assertEquals(expected.format(), file.format().toString());
        assertEquals(expected.locations(), file.savedLocations(), "saved locations");
        assertEquals(expected.tensors().stream().map(InteropCases.TensorCase::key).toList(),
                tensors.stream().map(TensorInfo::key).toList(), "keys");
    }

    private void tensor(InteropCases.TensorCase wanted, TensorInfo info) throws IOException {
        String key = wanted.key();
        assertEquals(wanted.dtype(), info.dtype().toString(), key);
        assertEquals(wanted.layout(), info.layout().toString(), key);
        assertEquals(wanted.requiresGrad(), info.requiresGrad(), key + ": requires_grad");
        assertEquals(wanted.isParameter(), info.isParameter(), key + ": parameter");
        assertEquals(wanted.isBuffer(), info.isBuffer(), key + ": buffer");
        assertEquals(wanted.conj(), info.isConj(), key + ": conj");
        assertEquals(wanted.neg(), info.isNeg(), key + ": neg");
        assertEquals(wanted.nbytes(), info.nbytes(), key + ": bytes");
        if (wanted.location() != null) {
            assertEquals(wanted.location(), info.location(), key);
        }
        if (!expected.accepts("unsupported")) {
            assertEquals(Optional.empty(), info.unsupportedReason(), key);
        }
        geometry(wanted, info);
        quantizer(wanted, info);
        elements(wanted, info);
    }

    private void geometry(InteropCases.TensorCase wanted, TensorInfo info) throws IOException {
        String key = wanted.key();
        if (wanted.shape() != null) {
            assertArrayEquals(wanted.shape(), info.shape(), key);
            assertEquals(Arrays.stream(wanted.shape()).reduce(1, (a, b) -> a * b), info.numel(), key);
        }
        if (wanted.isStrided()) {
            assertArrayEquals(wanted.stride(), info.stride(), key);
            assertEquals(wanted.storageOffset(), info.storageOffset(), key);
            // A meta tensor has no storage in the file.
            long stored = wanted.sha256() == null ? 0 : wanted.storageNbytes();
            assertEquals(stored, info.storageBytes(), key + ": bytes of the storage");
        } else {
            assertEquals(-1, info.storageIndex(), key);
        }
        if (wanted.components() != null) {
            double[] sizes = Arrays.stream(wanted.components()).flatMapToLong(Arrays::stream).asDoubleStream()
                    .toArray();
            assertArrayEquals(sizes, numbers(info.parts().get(1)), key + ": sizes of the components");
        }
    }

    private void quantizer(InteropCases.TensorCase wanted, TensorInfo info) throws IOException {
        String key = wanted.key();
        assertEquals(wanted.quantizer() != null, info.quantization().isPresent(), key);
        if (wanted.quantizer() == null) {
            return;
        }
        Quantization found = info.quantization().get();
        assertEquals(wanted.quantizer().scheme(), found.scheme().toString(), key);
        if (found.scheme() == Quantization.Scheme.PER_TENSOR_AFFINE) {
            assertEquals(wanted.quantizer().scale(), found.scale(), key);
            assertEquals(wanted.quantizer().zeroPoint(), found.zeroPoint(), key);
        } else {
            assertEquals(wanted.quantizer().axis(), found.axis(), key);
            assertArrayEquals(wanted.quantizer().scales(), numbers(info.parts().get(0)), key);
            assertArrayEquals(wanted.quantizer().zeroPoints(), numbers(info.parts().get(1)), key);
        }
    }

    private double[] numbers(TensorInfo part) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate((int) part.nbytes()).order(ByteOrder.LITTLE_ENDIAN);
        file.readElements(part, 0, bytes);
        double[] numbers = new double[(int) part.numel()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = switch (part.dtype()) {
                case FLOAT32 -> bytes.getFloat(4 * i);
                case FLOAT64 -> bytes.getDouble(8 * i);
                case INT64 -> bytes.getLong(8 * i);
                default -> throw new AssertionError(part);
            };
        }
        return numbers;
    }

    private void elements(InteropCases.TensorCase wanted, TensorInfo info) throws IOException {
        String key = wanted.key();
        if (!wanted.isStrided() || wanted.sha256() == null) {
            assertThrows(UnsupportedCheckpointException.class, () -> file.digest(info, "SHA-256"), key);
            return;
        }
        assertEquals(wanted.sha256(), file.digest(info, "SHA-256"), key + ": digest");
        if (info.isPlainRange()) {
            ByteBuffer bytes = file.bytes(info);
            assertEquals(wanted.hashed(), bytes.remaining(), key);
            assertEquals(wanted.sha256(), sha256(bytes), key + ": digest of the mapped bytes");
        }
    }

    private static String sha256(ByteBuffer bytes) {
        MessageDigest digest = Elements.digestNamed("SHA-256");
        digest.update(bytes);
        return Elements.hex(digest);
    }

    /** Paths to one Python object are entries of one row, and no others are. */
    private void objects() {
        if (!expected.format().equals("zip") && !expected.format().equals("legacy")) {
            return;
        }
        Map<Integer, String> byRow = new HashMap<>();
        Map<Integer, String> byObject = new HashMap<>();
        for (int i = 0; i < tensors.size(); i++) {
            String key = tensors.get(i).key();
            String firstOfObject = byObject.computeIfAbsent(expected.tensors().get(i).object(), object -> key);
            assertEquals(firstOfObject, byRow.computeIfAbsent(tensors.get(i).row(), row -> key), key + ": same object");
        }
    }

    /** Exactly the tensors of one group share their storage; of those without a group (empty ones) nothing is asked. */
    static <T> void sharing(List<InteropCases.TensorCase> expected, List<T> found, BiPredicate<T, T> shares) {
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < found.size(); i++) {
            for (int j = 0; j < i; j++) {
                InteropCases.TensorCase a = expected.get(i);
                InteropCases.TensorCase b = expected.get(j);
                if (a.group() != null && b.group() != null
                        && a.group().equals(b.group()) != shares.test(found.get(i), found.get(j))) {
                    throw new AssertionError(a.key() + " and " + b.key() + " were saved in the groups " + a.group()
                            + " and " + b.group() + " of shared storage, and are not so now");
                }
            }
        }
    }
}
