package io.torchferry;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes small checkpoints byte by byte, as torch.save lays them out, so that tests can say things Python cannot. */
final class HandMade {
    private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();
    private final Map<String, byte[]> storages = new LinkedHashMap<>();

    HandMade() {
        op(0x80, 2);
    }

    /** Raw bytes of the pickle. */
    HandMade op(int... bytes) {
        for (int b : bytes) {
            pickle.write(b);
        }
        return this;
    }

    /** BINUNICODE; lone surrogates as three bytes, like Python's surrogatepass. */
    HandMade text(String text) {
        return utf8(Utf8.encode(text));
    }

    HandMade utf8(byte[] bytes) {
        op('X').int32(bytes.length);
        pickle.writeBytes(bytes);
        return this;
    }

    HandMade global(String module, String name) {
        op('c');
        pickle.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /** BININT. */
    HandMade integer(int value) {
        return op('J').int32(value);
    }

    /** LONG1, for values beyond 32 bits. */
    HandMade integer64(long value) {
        op(0x8A, 8);
        pickle.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
        return this;
    }

    private HandMade int32(int value) {
        pickle.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
        return this;
    }

    /** A one-dimensional tensor on a storage whose record is written by {@link #storage}. */
    HandMade tensor(String type, String key, String location, long elements) {
        global("torch._utils", "_rebuild_tensor_v2").op('(', '(').text("storage").global("torch", type).text(key)
                .text(location).integer64(elements).op('t', 'Q').integer(0).integer64(elements).op(0x85).integer(1)
                .op(0x85, 0x89);
        return global("collections", "OrderedDict").op(')', 'R', 't', 'R');
    }

    HandMade storage(String key, byte[] bytes) {
        storages.put(key, bytes);
        return this;
    }

    /** A dict of float32 tensors saved on one device. */
    static HandMade floats(String location, Map<String, float[]> tensors) {
        HandMade made = new HandMade().op('}', '(');
        int number = 0;
        for (Map.Entry<String, float[]> entry : tensors.entrySet()) {
            String key = Integer.toString(number++);
            made.text(entry.getKey()).tensor("FloatStorage", key, location, entry.getValue().length);
            ByteBuffer bytes = ByteBuffer.allocate(4 * entry.getValue().length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(entry.getValue());
            made.storage(key, bytes.array());
        }
        return made.op('u');
    }

    byte[] pickle() {
        byte[] body = pickle.toByteArray();
        byte[] whole = java.util.Arrays.copyOf(body, body.length + 1);
        whole[body.length] = '.';
        return whole;
    }

    /** The zip container. */
    byte[] zip() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            put(out, zip, "archive/data.pkl", pickle());
            put(out, zip, "archive/byteorder", "little".getBytes(StandardCharsets.US_ASCII));
            for (Map.Entry<String, byte[]> storage : storages.entrySet()) {
                put(out, zip, "archive/data/" + storage.getKey(), storage.getValue());
            }
            put(out, zip, "archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return out.toByteArray();
    }

    /** Aligned to 64 bytes by an extra field, as torch.save does. */
    private static void put(ByteArrayOutputStream out, ZipOutputStream zip, String name, byte[] content)
            throws IOException {
        zip.flush();
        int padding = 63 - (out.size() + 30 + name.length() + 4 + 63) % 64;
        CRC32 crc = new CRC32();
        crc.update(content);
        ZipEntry entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.length);
        entry.setCrc(crc.getValue());
        entry.setExtra(ByteBuffer.allocate(4 + padding).order(ByteOrder.LITTLE_ENDIAN).putShort((short) 0x4246)
                .putShort((short) padding).array());
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }

    /** The bytes as direct memory. */
    static ByteBuffer direct(byte[] bytes) {
        return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    }

    /**
     * Writes a zip64 file with one uint8 tensor {@code big} of any size, whose record is a hole in the file except for
     * its last bytes: little disk is used.
     */
    static void writeSparse(Path file, long bytes, byte[] tail) throws IOException {
        byte[] pickle = new HandMade().op('}').text("big").tensor("ByteStorage", "0", "cpu", bytes).op('s').pickle();
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            CRC32 crc = new CRC32();
            crc.update(pickle);
            byte[] first = "archive/data.pkl".getBytes(StandardCharsets.US_ASCII);
            byte[] second = "archive/data/0".getBytes(StandardCharsets.US_ASCII);
            byte[] third = "archive/version".getBytes(StandardCharsets.US_ASCII);
            write(out, local(first, (int) crc.getValue(), pickle.length));
            write(out, ByteBuffer.wrap(pickle));
            long secondAt = out.position();
            write(out, local(second, 0, bytes));
            out.position(out.position() + bytes - tail.length);
            write(out, ByteBuffer.wrap(tail));
            long thirdAt = out.position();
            write(out, local(third, 0, 2));
            write(out, ByteBuffer.wrap(new byte[] {'3', '\n'}));
            long directoryAt = out.position();
            write(out, central(first, (int) crc.getValue(), pickle.length, 0));
            write(out, central(second, 0, bytes, secondAt));
            write(out, central(third, 0, 2, thirdAt));
            write(out, ends(out.position(), directoryAt));
        }
    }

    private static void write(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static ByteBuffer local(byte[] name, int crc, long size) {
        return little(30 + name.length + 20).putInt(0x04034B50).putShort((short) 45).putShort((short) 0)
                .putShort((short) 0).putInt(0).putInt(crc).putInt(-1).putInt(-1).putShort((short) name.length)
                .putShort((short) 20).put(name).putShort((short) 1).putShort((short) 16).putLong(size).putLong(size)
                .flip();
    }

    private static ByteBuffer central(byte[] name, int crc, long size, long at) {
        return little(46 + name.length + 28).putInt(0x02014B50).putShort((short) 45).putShort((short) 45)
                .putShort((short) 0).putShort((short) 0).putInt(0).putInt(crc).putInt(-1).putInt(-1)
                .putShort((short) name.length).putShort((short) 28).putShort((short) 0).putShort((short) 0)
                .putShort((short) 0).putInt(0).putInt(-1).put(name).putShort((short) 1).putShort((short) 24)
                .putLong(size).putLong(size).putLong(at).flip();
    }

    private static ByteBuffer ends(long end64At, long directoryAt) {
        long directoryBytes = end64At - directoryAt;
        return little(56 + 20 + 22).putInt(0x06064B50).putLong(44).putShort((short) 45).putShort((short) 45).putInt(0)
                .putInt(0).putLong(3).putLong(3).putLong(directoryBytes).putLong(directoryAt)
                .putInt(0x07064B50).putInt(0).putLong(end64At).putInt(1)
                .putInt(0x06054B50).putShort((short) 0).putShort((short) 0).putShort((short) -1).putShort((short) -1)
                .putInt(-1).putInt(-1).putShort((short) 0).flip();
    }
}
