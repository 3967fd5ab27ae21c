package io.torchferry;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;

/** Reads a checkpoint's elements in pieces, without libtorch. */
final class Elements {
    private static final int PIECE = 1 << 20;

    private Elements() {
    }

    static void read(long checkpoint, int row, long first, TensorInfo tensor, ByteBuffer out) throws IOException {
        int itemsize = tensor.dtype().itemsize();
        if (out.remaining() % itemsize != 0) {
            throw new IllegalArgumentException(out.remaining() + " bytes are not a whole number of " + tensor.dtype()
                    + " elements of " + itemsize + " bytes");
        }
        Objects.checkFromIndexSize(first, out.remaining() / itemsize, itemsOf(tensor));
        if (out.isDirect() && !out.isReadOnly()) {
            FormatNative.readElements(checkpoint, row, first, out, out.position(), out.remaining());
            out.position(out.limit());
            return;
        }
        ByteBuffer piece = ByteBuffer.allocateDirect(Math.min(out.remaining(), PIECE));
        while (out.hasRemaining()) {
            piece.clear().limit(Math.min(out.remaining(), PIECE));
            FormatNative.readElements(checkpoint, row, first, piece, 0, piece.limit());
            first += piece.limit() / itemsize;
            out.put(piece);
        }
    }

    static void digest(long checkpoint, int row, TensorInfo tensor, MessageDigest digest) throws IOException {
        int itemsize = tensor.dtype().itemsize();
        long items = itemsOf(tensor);
        ByteBuffer piece = ByteBuffer.allocateDirect((int) Math.min(Math.max(items, 1) * itemsize, PIECE));
        for (long done = 0; done < items || done == 0; ) {
            int n = (int) Math.min(items - done, PIECE / itemsize);
            FormatNative.readElements(checkpoint, row, done, piece.clear(), 0, n * itemsize);
            digest.update(piece.limit(n * itemsize));
            done += Math.max(n, 1);
        }
    }

    private static long itemsOf(TensorInfo tensor) {
        return DType.items(tensor.dtype(), tensor.numel());
    }

    static MessageDigest digestNamed(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalArgumentException("there is no digest algorithm named " + algorithm, e);
        }
    }

    static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }
}
