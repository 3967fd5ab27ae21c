package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * An opened checkpoint's index: what {@code torch.load} would read, without reading a byte of any tensor, and without
 * libtorch. {@link #stateDict} places tensors on devices; that needs libtorch.
 *
 * <p>Safe to use from any thread. {@link #close} it when done: state dicts loaded from it and buffers handed out stay
 * valid, as do {@link TensorInfo} and {@link Value} objects. After close every method but the plain facts
 * ({@link #format}, {@link #name}, {@link #size}, {@link #savedLocations}) throws {@link IllegalStateException}.
 */
public final class Checkpoint implements AutoCloseable {
    private final Handle handle;
    private final CheckpointFacts facts;
    private volatile TensorTable table;
    private volatile List<String> opaqueGlobals;

    private Checkpoint(long pointer, String name) {
        this.handle = Handle.owning("Checkpoint " + name, pointer, FormatNative::close);
        this.facts = CheckpointFacts.read(FormatNative.describe(pointer), name);
    }

    /**
     * Opens a file and reads its index. A file of a file system other than the default one (inside a zip, in memory)
     * is copied once, outside the heap: into memory where it is short, else into a temporary file without a name.
     *
     * <p>A JSON index of shards ({@code model.safetensors.index.json}, {@code pytorch_model.bin.index.json}) stands for
     * the shards, which lie beside it. A directory stands for the one index of shards in it, or for what
     * {@code torch.distributed.checkpoint} wrote there ({@code .metadata} and {@code .distcp} files, or safetensors files
     * with slices), whose tensors are put together. Nothing outside the directory is read.
     *
     * @throws CheckpointException when there is no such file, or it is not a checkpoint that can be read: see the
     *     subclasses. For a directory with none or several of these it tells what is there, and what to open
     */
    public static Checkpoint open(Path path) throws IOException {
        return open(path, OpenOptions.DEFAULT);
    }

    /**
     * Like {@link #open(Path)}.
     *
     * @throws CheckpointException see there; {@link UnsafeCheckpointException} with {@link OpenOptions#weightsOnly}
     * @throws IllegalArgumentException when the file has no save with the number {@link OpenOptions#saveIndex}
     */
    public static Checkpoint open(Path path, OpenOptions options) throws IOException {
        return Source.of(path, options.limits()).use(source -> open(source, options));
    }

    /**
     * Opens a checkpoint in memory: the bytes from the buffer's position to its limit, both of which stay as they are.
     * A direct buffer is used in place: it must not be changed while the checkpoint or a buffer of {@link #bytes} is in
     * use, and is kept reachable as long. The bytes of a heap buffer are copied to native memory once. Tensors are
     * copied when they are loaded, with {@link LoadOptions#mmap(boolean)} too: nothing writes to the buffer.
     *
     * @throws CheckpointException when it is not a checkpoint that can be read
     */
    public static Checkpoint open(ByteBuffer bytes) throws IOException {
        return open(bytes, OpenOptions.DEFAULT);
    }

    /** Like {@link #open(ByteBuffer)}. */
    public static Checkpoint open(ByteBuffer bytes, OpenOptions options) throws IOException {
        return Source.of(bytes).use(source -> open(source, options));
    }

    /**
     * Opens a checkpoint in an array, which is copied to native memory once.
     *
     * @throws CheckpointException when it is not a checkpoint that can be read
     */
    public static Checkpoint open(byte[] bytes) throws IOException {
        return open(bytes, OpenOptions.DEFAULT);
    }

    /** Like {@link #open(byte[])}. */
    public static Checkpoint open(byte[] bytes, OpenOptions options) throws IOException {
        return Source.of(bytes).use(source -> open(source, options));
    }

    /**
     * Opens a checkpoint from the channel's position to its end. The bytes are taken from the channel once, into native
     * memory or a temporary file without a name, which goes with the last of what uses it; the channel is left open, at
     * its end, and is not needed any more. At most {@link Limits#spoolBytes}.
     *
     * @throws CheckpointException when it is not a checkpoint that can be read
     * @throws IOException when the channel cannot be read, or the temporary file not be written
     */
    public static Checkpoint open(SeekableByteChannel channel) throws IOException {
        return open(channel, OpenOptions.DEFAULT);
    }

    /** Like {@link #open(SeekableByteChannel)}. */
    public static Checkpoint open(SeekableByteChannel channel, OpenOptions options) throws IOException {
        return Source.of(channel, options.limits()).use(source -> open(source, options));
    }

    /**
     * Opens a checkpoint from what the stream has left. The bytes are taken once, into native memory or a temporary
     * file without a name, which goes with the last of what uses it; the stream is left open, at its end, and is not
     * needed any more. At most {@link Limits#spoolBytes}. Several files (shards, a directory) need a {@link Path}.
     *
     * @throws CheckpointException when it is not a checkpoint that can be read
     * @throws IOException when the stream cannot be read, or the temporary file not be written
     */
    public static Checkpoint open(InputStream stream) throws IOException {
        return open(stream, OpenOptions.DEFAULT);
    }

    /** Like {@link #open(InputStream)}. */
    public static Checkpoint open(InputStream stream, OpenOptions options) throws IOException {
        return Source.of(stream, options.limits()).use(source -> open(source, options));
    }

    /**
     * Opens a resource, found as {@link Class#getResource} finds it: {@code openResource(Net.class, "net.pt")} lies
     * beside the class, {@code "/net.pt"} at the top. A resource that is a file is mapped like any file; one inside a
     * jar is copied once, like a stream.
     *
     * @throws CheckpointException when there is no such resource, or it is not a checkpoint that can be read
     */
    public static Checkpoint openResource(Class<?> anchor, String name) throws IOException {
        return openResource(anchor, name, OpenOptions.DEFAULT);
    }

    /** Like {@link #openResource(Class, String)}. */
    public static Checkpoint openResource(Class<?> anchor, String name, OpenOptions options) throws IOException {
        return Source.ofResource(anchor, name, options.limits()).use(source -> open(source, options));
    }

    private static Checkpoint open(Source source, OpenOptions options) throws IOException {
        NativeLoader.format();
        long[] packed = options.packed();
        byte[] name = Utf8.encode(source.name());
        Object event = Flight.opening();
        try {
            long pointer = source.memory() != null
                    ? FormatNative.openMemory(source.memory(), name, packed)
                    : FormatNative.open(source.path(), name, packed);
            Checkpoint opened = new Checkpoint(pointer, source.name());
            Flight.opened(event, source.name(), opened.facts, null);
            return opened;
        } catch (IOException | RuntimeException | Error e) {
            Flight.opened(event, source.name(), null, e);
            throw e;
        }
    }

    /** {@link #open(Path)}, {@link #stateDict(String...)} and {@link #close} in one: {@code torch.load(path)}. */
    public static StateDict load(Path path) throws IOException {
        return load(path, LoadOptions.defaults());
    }

    /** {@code torch.load(path, map_location=mapLocation)}, for the tensors. */
    public static StateDict load(Path path, MapLocation mapLocation) throws IOException {
        return load(path, LoadOptions.defaults().mapLocation(mapLocation));
    }

    /** {@code torch.load(path, map_location=device)}, for the tensors. */
    public static StateDict load(Path path, Device device) throws IOException {
        return load(path, MapLocation.to(device));
    }

    /** Like {@link #stateDict(LoadOptions, String...)} on a file that is opened for it and closed again. */
    public static StateDict load(Path path, LoadOptions options, String... keys) throws IOException {
        try (Checkpoint checkpoint = open(path, options.openOptions())) {
            return checkpoint.stateDict(options, keys);
        }
    }

    /** Like {@link #load(Path, LoadOptions, String...)} from the buffer: see {@link #open(ByteBuffer)}. */
    public static StateDict load(ByteBuffer bytes, LoadOptions options, String... keys) throws IOException {
        try (Checkpoint checkpoint = open(bytes, options.openOptions())) {
            return checkpoint.stateDict(options, keys);
        }
    }

    /** Like {@link #load(Path, LoadOptions, String...)} from what the stream has left: see {@link #open(InputStream)}. */
    public static StateDict load(InputStream stream, LoadOptions options, String... keys) throws IOException {
        try (Checkpoint checkpoint = open(stream, options.openOptions())) {
            return checkpoint.stateDict(options, keys);
        }
    }

    /**
     * {@code torch.save(content, path)} with any content.
     *
     * @see #save(Object, Path, SaveOptions)
     */
    public static SaveReport save(Object content, Path path) throws IOException {
        return save(content, path, SaveOptions.defaults());
    }

    /**
     * Writes a checkpoint: what {@code torch.save(content, path)} does, with content of Java's.
     *
     * <pre>{@code
     * Checkpoint.save(Content.dict().put("model", weights).put("optimizer", state).put("epoch", 3), path);
     *
     * try (Checkpoint file = Checkpoint.open(path)) {      // the same file again, one value changed
     *     Checkpoint.save(Content.dict(file.root()).put("epoch", 4), path);
     * }
     * }</pre>
     *
     * <p>What the content may be made of, and what Python gets:
     * <ul>
     *   <li>{@code null}: None; {@code Boolean}: bool; {@code Byte}, {@code Short}, {@code Integer}, {@code Long},
     *       {@code BigInteger}: int; {@code Float}, {@code Double}: float; {@code String}: str; {@code byte[]}: bytes;
     *   <li>{@code Map}: dict, in the map's order, with keys of any kind here; {@code List}: list; {@code Set}: set;
     *   <li>{@code int[]}, {@code long[]}, {@code double[]}, {@code float[]}: list of numbers;
     *   <li>{@link StateDict}: an OrderedDict with its {@code _metadata}, as {@link StateDict#save} writes it;
     *       {@link Tensor}: a tensor; {@link DType}, {@link Device}: {@code torch.dtype}, {@code torch.device};
     *   <li>{@link Content}: dicts in the order in which they are filled, tuples, {@code torch.Size};
     *   <li>{@link Value}, {@link TensorInfo}: what was read, unchanged. Tensors are taken from their
     *       {@link Checkpoint}, which must be open, with their saved location; they need not be loaded. Objects of
     *       classes that are not known are refused: they are not plain data.
     * </ul>
     *
     * <p>An object that stands in two places is one object in the file. Tensors that share memory share it in the file,
     * whatever parts of the content they are in. The file that a checkpoint was opened from may be replaced.
     *
     * @throws UnsupportedCheckpointException for what the format has no form for, naming the place in the content,
     *     before anything is written
     * @throws IllegalArgumentException for objects of other classes than these, content that contains itself, and what
     *     Python cannot have (a list as a key, text with no UTF-8 form)
     * @throws CheckpointException when the file cannot be written
     * @throws DeviceOutOfMemoryException when memory runs out
     * @throws java.util.concurrent.CancellationException when {@link Progress#cancel} was called
     * @throws IllegalStateException when an owner of a tensor is closed
     */
    public static SaveReport save(Object content, Path path, SaveOptions options) throws IOException {
        return new Saving(ContentPacking.of(content), options).to(path);
    }

    /** What the file is. */
    public Format format() {
        return facts.format();
    }

    /** The path as it was given, or a word for where the bytes came from. */
    public String name() {
        return facts.name();
    }

    /** Bytes of the file, or of all files of a checkpoint that has several. */
    public long size() {
        return facts.size();
    }

    /**
     * Saves that stand in the file one after the other, as {@code torch.save} called again and again on one open file
     * leaves them in the legacy format; 1 for every other format. {@link OpenOptions#saveIndex} chooses one. The pickles
     * behind the opened save are looked through on the first call. A save that is damaged counts and hides what is behind
     * it; opening it tells what is wrong.
     */
    public long saveCount() throws IOException {
        return handle.use(FormatNative::saveCount);
    }

    /** Distinct saved locations in order of first appearance, as written: {@code "cpu"}, {@code "cuda:0"}. */
    public List<String> savedLocations() {
        return facts.savedLocations();
    }

    /** Names of the globals in the content that are neither PyTorch's nor plain data, sorted. */
    public List<String> opaqueGlobals() {
        List<String> known = opaqueGlobals;
        if (known == null) {
            known = new PackReader(handle.use(FormatNative::opaqueGlobals)).strings();
            opaqueGlobals = known;
        }
        return known;
    }

    /**
     * Every tensor below a place of the content, in the order of a depth-first walk (a module's in state_dict order),
     * named relative to it. Two names of one tensor are two entries with the same storage.
     *
     * @param path dict keys and list indices that lead to the place; none for the whole content
     * @throws IllegalArgumentException telling what is there, when there is no such place
     */
    public List<TensorInfo> tensors(String... path) {
        TensorTable all = table();
        return all.entries(handle.use(pointer -> FormatNative.entries(pointer, PackWriter.path(path))));
    }

    /**
     * The content as values, built anew on each call.
     *
     * @throws UnsupportedCheckpointException when a container contains itself
     */
    public Value root() throws IOException {
        return value();
    }

    /**
     * The content at a place.
     *
     * @throws IllegalArgumentException telling what is there, when there is no such place
     * @throws UnsupportedCheckpointException when a container contains itself
     */
    public Value value(String... path) throws IOException {
        TensorTable all = table();
        return ValueReader.read(handle.use(pointer -> FormatNative.value(pointer, PackWriter.path(path))), all);
    }

    /**
     * The {@code _metadata} of the OrderedDict at a place ({@code nn.Module}'s versions), when it has one. Of a
     * safetensors file and of an index of shards, without a path, the metadata that it has.
     *
     * @throws IllegalArgumentException telling what is there, when there is no such place
     */
    public Optional<Value> metadata(String... path) throws IOException {
        TensorTable all = table();
        byte[] packed = handle.use(pointer -> FormatNative.metadata(pointer, PackWriter.path(path)));
        return packed == null ? Optional.empty() : Optional.of(ValueReader.read(packed, all));
    }

    /**
     * The outermost places of the content that look like a model's state dict, in its order: modules, and dicts most
     * of whose values are tensors under names. Optimizer states are none. At most 64, at most six steps deep.
     */
    public List<StateDictPlace> stateDictPlaces() {
        PackReader in = new PackReader(handle.use(FormatNative::stateDictPlaces));
        StateDictPlace[] places = new StateDictPlace[in.i32()];
        for (int i = 0; i < places.length; i++) {
            places[i] = new StateDictPlace(in.strings(), in.i32());
        }
        return List.of(places);
    }

    /**
     * Reads every byte that the index refers to, with several threads, and compares it with the sums recorded in the
     * file, which PyTorch writes and never checks. Damage is reported, not thrown. The file's structure was checked
     * when it was opened. Needs no libtorch.
     */
    public Verification verify() throws IOException {
        return verify(null, null);
    }

    /**
     * Like {@link #verify()}, watched.
     *
     * @param progress may stop it; null for none
     * @param listener is told how far it has come; null for none
     * @throws java.util.concurrent.CancellationException when {@link Progress#cancel} was called
     */
    public Verification verify(Progress progress, ProgressListener listener) throws IOException {
        return handle.use(pointer -> Followed.run(progress, listener,
                counted -> Verification.unpacked(new PackReader(FormatNative.verify(pointer, 0, counted)))));
    }

    /**
     * Whether {@link #compare} can compare a tensor of this checkpoint with one of another: layout, shape and
     * quantization scheme are the same, and for packed and bits types the dtype. Other dtypes may differ.
     */
    public boolean isComparable(TensorInfo tensor, Checkpoint other, TensorInfo otherTensor) {
        int row = requireMine(tensor);
        int otherRow = other.requireMine(otherTensor);
        return handle.use(pointer -> other.handle.use(
                otherPointer -> FormatNative.comparable(pointer, row, otherPointer, otherRow)));
    }

    /**
     * How far a tensor of this checkpoint is from one of another, or of this one. Elements are read in pieces by
     * several threads; no libtorch is needed. Quantized tensors: the integers. Sparse, nested and per-channel quantized
     * ones: part by part, as they are stored. Tolerances are those of {@code torch.allclose}; with 0 and 0 only equal
     * values are close.
     *
     * @param relative {@code rtol}
     * @param absolute {@code atol}
     * @throws IllegalArgumentException unless {@link #isComparable}
     */
    public TensorDifference compare(TensorInfo tensor, Checkpoint other, TensorInfo otherTensor, double relative,
            double absolute) throws IOException {
        int row = requireMine(tensor);
        int otherRow = other.requireMine(otherTensor);
        byte[] packed = handle.use(pointer -> other.handle.use(otherPointer -> FormatNative.compare(
                pointer, row, otherPointer, otherRow, relative, absolute)));
        return TensorDifference.unpacked(new PackReader(packed));
    }

    /**
     * The elements of a tensor, read-only and little-endian, on the mapped file; nothing is read until it is touched.
     * The buffer stays valid after close.
     *
     * @throws UnsupportedCheckpointException unless {@link TensorInfo#isPlainRange}; {@link #readElements} works then
     * @throws IllegalArgumentException when the tensor is not of this checkpoint, or beyond 2 GiB: see
     *     {@link #bytes(TensorInfo, long, int)}
     */
    public ByteBuffer bytes(TensorInfo tensor) throws IOException {
        if (tensor.nbytes() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(tensor.key() + " has " + tensor.nbytes()
                    + " bytes, more than one ByteBuffer can hold; ask for a part: bytes(tensor, offset, length)");
        }
        return bytes(tensor, 0, (int) tensor.nbytes());
    }

    /**
     * {@code length} bytes of a tensor's elements, {@code offset} bytes from the first; otherwise like
     * {@link #bytes(TensorInfo)}.
     *
     * @throws IndexOutOfBoundsException when the range is not inside the tensor
     */
    public ByteBuffer bytes(TensorInfo tensor, long offset, int length) throws IOException {
        int row = requireMine(tensor);
        Objects.checkFromIndexSize(offset, length, tensor.nbytes());
        return handle.use(pointer -> Pinned.readOnly(
                pin -> FormatNative.bytes(pointer, row, offset, length, pin)));
    }

    /**
     * Reads elements in row-major order, little-endian, conj and neg resolved, into the buffer's remaining bytes, which
     * must be a whole number of elements. Quantized tensors: the integers. The buffer's position moves to its limit.
     *
     * @param first the first element
     * @throws IndexOutOfBoundsException when the range is not inside the tensor
     * @throws UnsupportedCheckpointException for sparse and nested tensors; read their {@link TensorInfo#parts}
     */
    public void readElements(TensorInfo tensor, long first, ByteBuffer out) throws IOException {
        int row = requireMine(tensor);
        handle.use(pointer -> {
            Elements.read(pointer, row, first, tensor, out);
            return null;
        });
    }

    /**
     * Updates a digest with all elements of a tensor, as {@link #readElements} gives them.
     *
     * @throws UnsupportedCheckpointException for sparse and nested tensors
     */
    public void digest(TensorInfo tensor, MessageDigest digest) throws IOException {
        int row = requireMine(tensor);
        handle.use(pointer -> {
            Elements.digest(pointer, row, tensor, digest);
            return null;
        });
    }

    /**
     * The digest of all elements of a tensor, in lower-case hexadecimal.
     *
     * @param algorithm a name of {@link MessageDigest}: {@code "SHA-256"}
     * @throws IllegalArgumentException when there is no such algorithm
     * @throws UnsupportedCheckpointException for sparse and nested tensors
     */
    public String digest(TensorInfo tensor, String algorithm) throws IOException {
        MessageDigest digest = Elements.digestNamed(algorithm);
        digest(tensor, digest);
        return Elements.hex(digest);
    }

    /**
     * Loads the tensors below a place as they were saved: {@code torch.load(path)["model"]}.
     *
     * @see #stateDict(LoadOptions, String...)
     */
    public StateDict stateDict(String... path) throws IOException {
        return stateDict(LoadOptions.defaults(), path);
    }

    /**
     * Loads the tensors below a place onto one device.
     *
     * @see #stateDict(LoadOptions, String...)
     */
    public StateDict stateDict(Device device, String... path) throws IOException {
        return stateDict(MapLocation.to(device), path);
    }

    /**
     * Loads the tensors below a place.
     *
     * @see #stateDict(LoadOptions, String...)
     */
    public StateDict stateDict(MapLocation mapLocation, String... path) throws IOException {
        return stateDict(LoadOptions.defaults().mapLocation(mapLocation), path);
    }

    /**
     * Loads the tensors below a place of the content: what {@code torch.load(file, map_location=...)} does for tensors.
     * Names are relative to the place. Tensors that cannot be represented are left out and listed in
     * {@link LoadReport#skipped}. Nothing is left behind when it throws.
     *
     * @param path dict keys and list indices that lead to the place; none for the whole content
     * @throws IllegalArgumentException telling what is there, when there is no such place
     * @throws DeviceUnavailableException in PyTorch's words, when a device is not there
     * @throws DeviceOutOfMemoryException when memory runs out
     * @throws CheckpointException when a byte cannot be read, or a checksum is wrong
     * @throws java.util.concurrent.CancellationException when {@link Progress#cancel} was called
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public StateDict stateDict(LoadOptions options, String... path) throws IOException {
        return load(Placement.of(this, options, path));
    }

    /**
     * Begins the load that {@link #stateDict(LoadOptions, String...)} does, on threads of its own, and gives its
     * tensors as they arrive. This checkpoint may be closed meanwhile.
     *
     * @param path dict keys and list indices that lead to the place; none for the whole content
     * @throws IllegalArgumentException telling what is there, when there is no such place
     * @throws DeviceUnavailableException in PyTorch's words, when a device is not there
     * @throws UnsupportedCheckpointException when two tensors have the same name
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public StreamingLoad startLoad(LoadOptions options, String... path) throws IOException {
        Placement placement = Placement.of(this, options, path);
        NativeLoader.torch();
        return handle.use(pointer -> StreamingLoad.start(pointer, placement, name()));
    }

    /** Like {@link #startLoad(LoadOptions, String...)} on a file that is opened for it. */
    public static StreamingLoad startLoad(Path file, LoadOptions options, String... path) throws IOException {
        try (Checkpoint checkpoint = open(file, options.openOptions())) {
            return checkpoint.startLoad(options, path);
        }
    }

    /** The load that a placement of this checkpoint stands for. */
    StateDict load(Placement placement) throws IOException {
        Object event = Flight.loading();
        try {
            StateDict loaded = handle.use(placement::load);
            Flight.loaded(event, name(), placement.place(), loaded, null);
            return loaded;
        } catch (IOException | RuntimeException | Error e) {
            Flight.loaded(event, name(), placement.place(), null, e);
            throw e;
        }
    }

    /** What {@link #load(Placement)} would do. */
    LoadPlan plan(Placement placement) throws IOException {
        return handle.use(pointer -> placement.plan(pointer, table()));
    }

    /**
     * What {@link #stateDict(LoadOptions, String...)} would do, without reading a tensor byte. Without libtorch the CPU
     * and meta are the only devices.
     *
     * @throws IllegalArgumentException telling what is there, when there is no such place
     * @throws DeviceUnavailableException in PyTorch's words, when a device is not there
     */
    public LoadPlan plan(LoadOptions options, String... path) throws IOException {
        return plan(Placement.of(this, options, path));
    }

    /**
     * Gives the index and the file back. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of this object; it stays open then
     */
    @Override
    public void close() {
        handle.close();
    }

    /** For example {@code Checkpoint[model.pth, zip, 104857600 bytes]}. */
    @Override
    public String toString() {
        return "Checkpoint[" + name() + ", " + format() + ", " + size() + " bytes]";
    }

    private TensorTable table() {
        TensorTable known = table;
        if (known == null) {
            known = handle.use(pointer -> new TensorTable(FormatNative.table(pointer), handle));
            synchronized (handle) {
                if (table == null) {
                    table = known;
                }
                known = table;
            }
        }
        return known;
    }

    private int requireMine(TensorInfo tensor) {
        if (tensor.table() != table()) {
            throw new IllegalArgumentException(tensor.key() + " is a tensor of another checkpoint");
        }
        return tensor.row();
    }
}
