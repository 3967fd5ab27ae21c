package io.torchferry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TensorTest {

    @Test
    void madeFromArrays() {
        try (Tensor floats = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3)) {
            assertEquals(DType.FLOAT32, floats.dtype());
            assertEquals(Device.cpu(), floats.device());
            assertArrayEquals(new long[] {2, 3}, floats.shape());
            assertArrayEquals(new long[] {3, 1}, floats.stride());
            assertEquals(24, floats.nbytes());
            assertEquals(6, floats.numel());
            assertTrue(floats.isContiguous());
            assertFalse(floats.requiresGrad());
            assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, floats.toFloatArray());
            assertEquals("tensor(..., size=(2, 3), dtype=float32, device='cpu')", floats.toString());
        }
        assertArrayEquals(new double[] {1.5, -2}, Tensor.of(new double[] {1.5, -2}).toDoubleArray());
        assertArrayEquals(new long[] {1L << 60, -1}, Tensor.of(new long[] {1L << 60, -1}).toLongArray());
        assertArrayEquals(new int[] {7, -8}, Tensor.of(new int[] {7, -8}).toIntArray());
        assertArrayEquals(new byte[] {7, -8}, Tensor.of(new byte[] {7, -8}).toByteArray());
        assertArrayEquals(new long[] {1, 0}, Tensor.of(new boolean[] {true, false}).toLongArray());
        assertEquals(DType.BOOL, Tensor.of(new boolean[] {true}).dtype());
        assertEquals(2.5, Tensor.scalar(2.5f).item());
        assertEquals(0, Tensor.scalar(2.5f).shape().length);
        assertEquals(1L << 40, Tensor.scalar(1L << 40).itemAsLong());
        assertArrayEquals(new float[0], Tensor.of(new float[0], 0, 3).toFloatArray());
        assertArrayEquals(new long[] {0}, Tensor.of(new float[0]).shape());
    }

    @Test
    void shapesMustFit() {
        assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[6], 2, 2));
        assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[6], -2, -3));
        assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[0], Long.MAX_VALUE, 4, 0, 1, -1));
        assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[4], 1L << 62, 1L << 62, 4));
        assertThrows(IllegalArgumentException.class,
                () -> Tensor.of(ByteBuffer.allocate(7), DType.FLOAT32));
        assertThrows(IllegalStateException.class, () -> Tensor.of(new float[2]).item());
    }

    @Test
    void madeFromBuffers() {
        ByteBuffer bytes = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(99).putFloat(1.5f).putFloat(-2f).putInt(99).flip().position(4).limit(12);
        try (Tensor tensor = Tensor.of(bytes, DType.FLOAT32, 2, 1)) {
            assertArrayEquals(new float[] {1.5f, -2f}, tensor.toFloatArray());
            assertEquals(4, bytes.position());
        }
        ByteBuffer direct = ByteBuffer.allocateDirect(2).putShort((short) 0x003C).flip();
        assertEquals(1, Tensor.of(direct, DType.FLOAT16).item());
    }

    @Test
    void buffersAreInPlaceAndLittleEndian() {
        try (Tensor tensor = Tensor.of(new float[] {1, 2, 3, 4})) {
            ByteBuffer all = tensor.asByteBuffer();
            assertTrue(all.isDirect());
            assertEquals(ByteOrder.LITTLE_ENDIAN, all.order());
            all.putFloat(4, 20f);
            assertArrayEquals(new float[] {1, 20, 3, 4}, tensor.toFloatArray());
            assertEquals(3f, tensor.asByteBuffer(8, 4).getFloat());
            assertEquals(0, tensor.asByteBuffer(16, 0).remaining());
            assertThrows(IndexOutOfBoundsException.class, () -> tensor.asByteBuffer(13, 4));
            assertThrows(IndexOutOfBoundsException.class, () -> tensor.asByteBuffer(-1, 4));
            assertThrows(IndexOutOfBoundsException.class, () -> tensor.asByteBuffer(0, -1));
        }
    }

    @Test
    void tensorsBeyondTwoGibibytes() {
        long size = (3L << 30) + 5;
        try (Tensor big = Tensors.empty(DType.UINT8, size)) {
            IllegalStateException refused = assertThrows(IllegalStateException.class, big::asByteBuffer);
            assertTrue(refused.getMessage().contains("asByteBuffer(offset, length)"), refused.getMessage());
            big.asByteBuffer(size - 2, 2).put(0, (byte) 7).put(1, (byte) 8);
            assertEquals(8, big.asByteBuffer(size - 1, 1).get());
            assertEquals(7, big.asByteBuffer(size - Integer.MAX_VALUE, Integer.MAX_VALUE).get(Integer.MAX_VALUE - 2));
            assertThrows(IndexOutOfBoundsException.class, () -> big.asByteBuffer(size - 1, 2));
            assertThrows(IllegalStateException.class, big::toByteArray);
            assertThrows(IllegalStateException.class, big::toFloatArray);
        }
    }

    @Test
    void memoryThatIsNotThere() {
        assertThrows(DeviceOutOfMemoryException.class, () -> Tensors.empty(DType.UINT8, 1L << 60));
    }

    @Test
    void stridesAreHonoured() throws IOException {
        try (StateDict dict = Checkpoint.load(Fixtures.file("views.pt"))) {
            Tensor base = dict.get("base");
            Tensor transposed = dict.get("transposed");
            assertFalse(transposed.isContiguous());
            IllegalStateException refused = assertThrows(IllegalStateException.class, transposed::asByteBuffer);
            assertTrue(refused.getMessage().contains("contiguous()"), refused.getMessage());
            try (Tensor contiguous = transposed.contiguous()) {
                assertNotSame(transposed, contiguous);
                assertTrue(contiguous.isContiguous());
                assertArrayEquals(transposed.toByteArray(), contiguous.toByteArray());
                assertFalse(contiguous.sharesStorageWith(transposed));
            }
            assertSame(base, base.contiguous());
            double[] rows = base.toDoubleArray();
            double[] columns = transposed.toDoubleArray();
            Arrays.sort(rows);
            Arrays.sort(columns);
            assertArrayEquals(rows, columns);
            for (Tensor tensor : dict.values()) {
                ByteBuffer out = ByteBuffer.allocate(tensor.toByteArray().length + 3).position(1);
                tensor.copyTo(out);
                assertEquals(2, out.remaining());
                assertThrows(BufferOverflowException.class, () -> tensor.copyTo(ByteBuffer.allocate(0)),
                        tensor.toString());
            }
        }
    }

    @Test
    void conversionsAreExactWhereTheySaySo() {
        float[] values = {0f, -0f, 1f, 65504f, Float.MIN_VALUE, Float.MAX_VALUE, Float.POSITIVE_INFINITY, Float.NaN};
        try (Tensor tensor = Tensor.of(values)) {
            double[] doubles = tensor.toDoubleArray();
            for (int i = 0; i < values.length; i++) {
                assertEquals(Double.doubleToLongBits(values[i]), Double.doubleToLongBits(doubles[i]));
            }
        }
        assertArrayEquals(new float[] {0.1f}, Tensor.of(new double[] {0.1}).toFloatArray());
        assertArrayEquals(new float[] {16777216f}, Tensor.of(new long[] {16777217}).toFloatArray());
        assertArrayEquals(new double[] {16777217}, Tensor.of(new long[] {16777217}).toDoubleArray());
    }

    @Test
    void narrowFloatsWidenExactly() {
        for (DType type : new DType[] {DType.FLOAT16, DType.BFLOAT16, DType.FLOAT8_E5M2, DType.FLOAT8_E4M3FN}) {
            try (Tensor wide = Tensor.of(new float[] {1.5f, -0.25f, 0f, 448f}); Tensor narrow = wide.cast(type)) {
                assertEquals(type, narrow.dtype());
                assertArrayEquals(new float[] {1.5f, -0.25f, 0f, 448f}, narrow.toFloatArray(), type.torchName());
            }
        }
    }

    @Test
    void integersAreNeverRoundedNorCut() throws IOException {
        assertThrows(IllegalStateException.class, () -> Tensor.of(new float[] {1}).toLongArray());
        assertThrows(ArithmeticException.class, () -> Tensor.of(new long[] {1L << 31}).toIntArray());
        assertArrayEquals(new int[] {Integer.MIN_VALUE}, Tensor.of(new long[] {Integer.MIN_VALUE}).toIntArray());
        ByteBuffer ones = ByteBuffer.allocate(8).putLong(-1).flip();
        assertThrows(ArithmeticException.class, () -> Tensor.of(ones, DType.UINT64).toLongArray());
        assertArrayEquals(new long[] {0xFFFFFFFFL, 0xFFFFFFFFL}, Tensor.of(ones, DType.UINT32).toLongArray());
        assertThrows(ArithmeticException.class, () -> Tensor.of(ones, DType.UINT32).toIntArray());
        assertArrayEquals(new int[] {0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF}, Tensor.of(ones, DType.UINT16).toIntArray());
    }

    @Test
    void complexTensorsGiveBytesOnly() throws IOException {
        try (StateDict dict = Checkpoint.load(Fixtures.file("lazy_bits.pt"))) {
            assertThrows(IllegalStateException.class, () -> dict.get("z").toFloatArray());
            assertEquals(dict.get("z").nbytes(), dict.get("z").toByteArray().length);
            Tensor conj = dict.get("conj");
            assertThrows(IllegalStateException.class, conj::asByteBuffer);
            try (Tensor resolved = conj.contiguous()) {
                assertArrayEquals(conj.toByteArray(), resolved.asByteBuffer().hasArray()
                        ? null : bytes(resolved.asByteBuffer()));
            }
        }
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    @Test
    void quantizedTensorsGiveIntegersOrValues() throws IOException {
        try (Checkpoint file = Checkpoint.open(Fixtures.file("quantized.pt")); StateDict dict = file.stateDict()) {
            Quantization affine = CheckpointTest.find(file, "qint8").quantization().orElseThrow();
            byte[] integers = dict.get("qint8").toByteArray();
            float[] values = dict.get("qint8").toFloatArray();
            for (int i = 0; i < values.length; i++) {
                assertEquals((integers[i] - affine.zeroPoint()) * affine.scale(), values[i], 1e-6);
            }
        }
    }

    @Test
    void equalityOfBits() {
        try (Tensor one = Tensor.of(new float[] {Float.NaN, 0f}); Tensor same = Tensor.of(new float[] {Float.NaN, 0f});
                Tensor other = Tensor.of(new float[] {Float.NaN, -0f});
                Tensor shaped = Tensor.of(new float[] {Float.NaN, 0f}, 2, 1); Tensor wide = one.cast(DType.FLOAT64)) {
            assertTrue(one.equalsBitwise(same) && one.equalsBitwise(one));
            assertFalse(one.equalsBitwise(other));
            assertFalse(one.equalsBitwise(shaped));
            assertFalse(one.equalsBitwise(wide));
            assertEquals(one.digest("SHA-256"), same.digest("SHA-256"));
        }
    }

    @Test
    void whatIsThereAlreadyIsTheSameTensor() {
        try (Tensor tensor = Tensor.of(new float[] {1})) {
            assertSame(tensor, tensor.to(Device.cpu()));
            assertSame(tensor, tensor.cast(DType.FLOAT32));
            assertSame(tensor, tensor.contiguous());
            assertTrue(tensor.sharesStorageWith(tensor.to(Device.parse("cpu:0"))));
        }
    }
}
