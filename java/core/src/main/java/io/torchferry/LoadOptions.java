package io.torchferry;

import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * How a state dict is loaded. Immutable: every method gives changed options and leaves these as they are.
 *
 * <pre>{@code LoadOptions.defaults().mapLocation(Device.cuda(0)).cast(DType.FLOAT16)}</pre>
 */
public final class LoadOptions {
    private static final LoadOptions DEFAULTS = new LoadOptions(new Fields());

    private static final class Fields implements Cloneable {
        MapLocation mapLocation = MapLocation.asSaved();
        boolean mmap = true;
        boolean mmapNetworkFiles;
        Prefetch prefetch = Prefetch.NONE;
        Predicate<String> filter;
        DType cast;
        boolean verifyChecksums;
        int threads;
        DeviceMemory deviceMemory = DeviceMemory.SLAB;
        Progress progress;
        ProgressListener listener;
        OpenOptions open = OpenOptions.DEFAULT;

        @Override
        public Fields clone() {
            try {
                return (Fields) super.clone();
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }
    }

    private final Fields fields;

    private LoadOptions(Fields fields) {
        this.fields = fields;
    }

    /** As saved, mapped, everything, unchanged. */
    public static LoadOptions defaults() {
        return DEFAULTS;
    }

    private interface Change {
        void on(Fields fields);
    }

    private LoadOptions with(Change change) {
        Fields changed = fields.clone();
        change.on(changed);
        return new LoadOptions(changed);
    }

    /** {@code torch.load}'s {@code map_location}; {@link MapLocation#asSaved()} at first. */
    public LoadOptions mapLocation(MapLocation mapLocation) {
        Objects.requireNonNull(mapLocation, "mapLocation");
        return with(f -> f.mapLocation = mapLocation);
    }

    /** Everything goes to one device: {@code mapLocation(MapLocation.to(device))}. */
    public LoadOptions mapLocation(Device device) {
        return mapLocation(MapLocation.to(device));
    }

    /**
     * {@code true} (at first): CPU tensors are views of a private mapping of the file, and no byte is read until it is
     * used, as with {@code torch.load}'s {@code mmap=True}. {@code false}: every storage is read into memory of its
     * own by several threads; the file may change or vanish afterwards. See {@link #mmapNetworkFiles} for those of
     * network file systems, which are read unless it is on.
     */
    public LoadOptions mmap(boolean on) {
        return with(f -> f.mmap = on);
    }

    /**
     * {@code true}: files of network file systems (NFS, SMB, FUSE, Lustre and the like) are mapped, too. {@code false}
     * (at first): they are read, because a server that goes away would end the process with SIGBUS when a mapped page
     * is touched, and because pages would travel one by one.
     */
    public LoadOptions mmapNetworkFiles(boolean on) {
        return with(f -> f.mmapNetworkFiles = on);
    }

    /** What happens to the pages of mapped tensors before the load returns; {@link Prefetch#NONE} at first. */
    public LoadOptions prefetch(Prefetch prefetch) {
        Objects.requireNonNull(prefetch, "prefetch");
        return with(f -> f.prefetch = prefetch);
    }

    /**
     * Loads only tensors whose key, relative to the path that is loaded, passes; see {@link Keys#glob}. No byte of the
     * others is read, unless a storage that they share with a chosen one is. Called once for each tensor, on the
     * calling thread, before anything moves.
     */
    public LoadOptions filter(Predicate<String> keys) {
        Objects.requireNonNull(keys, "keys");
        return with(f -> f.filter = keys);
    }

    /** Floating point tensors are converted to this type after they are placed; others stay as they are. */
    public LoadOptions cast(DType dtype) {
        Objects.requireNonNull(dtype, "dtype");
        return with(f -> f.cast = dtype);
    }

    /** Recorded CRC-32 sums are checked, which reads every byte; off at first, as in PyTorch. */
    public LoadOptions verifyChecksums(boolean on) {
        return with(f -> {
            f.verifyChecksums = on;
            f.open = f.open.withVerifyChecksums(on);
        });
    }

    /**
     * Threads that read; 0 (at first): as many as there are processors, at most 8.
     *
     * @throws IllegalArgumentException when negative
     */
    public LoadOptions threads(int count) {
        if (count < 0) {
            throw new IllegalArgumentException("threads must not be negative: " + count);
        }
        return with(f -> f.threads = count);
    }

    /** How a device's memory is taken, the CPU's included; {@link DeviceMemory#SLAB} at first. Mapped tensors take none. */
    public LoadOptions deviceMemory(DeviceMemory memory) {
        Objects.requireNonNull(memory, "memory");
        return with(f -> f.deviceMemory = memory);
    }

    /** Lets another thread watch and stop the load. */
    public LoadOptions progress(Progress progress) {
        Objects.requireNonNull(progress, "progress");
        return with(f -> f.progress = progress);
    }

    /** Has a listener told how far the load has come, by a thread that lives as long as the load. */
    public LoadOptions progress(ProgressListener listener) {
        Objects.requireNonNull(listener, "listener");
        return with(f -> f.listener = listener);
    }

    /** For the {@code Checkpoint.load} methods, which open the file too: what reading its index may use. */
    public LoadOptions limits(Limits limits) {
        return with(f -> f.open = f.open.withLimits(limits));
    }

    /** For the {@code Checkpoint.load} methods, which open the file too: see {@link OpenOptions#weightsOnly}. */
    public LoadOptions weightsOnly(boolean on) {
        return with(f -> f.open = f.open.withWeightsOnly(on));
    }

    /** For the {@code Checkpoint.load} methods, which open the file too: see {@link OpenOptions#saveIndex}. */
    public LoadOptions saveIndex(long index) {
        return with(f -> f.open = f.open.withSaveIndex(index));
    }

    /** See {@link #mapLocation(MapLocation)}. */
    public MapLocation mapLocation() {
        return fields.mapLocation;
    }

    /** See {@link #mmap(boolean)}. */
    public boolean mmap() {
        return fields.mmap;
    }

    /** See {@link #mmapNetworkFiles(boolean)}. */
    public boolean mmapNetworkFiles() {
        return fields.mmapNetworkFiles;
    }

    /** See {@link #prefetch(Prefetch)}. */
    public Prefetch prefetch() {
        return fields.prefetch;
    }

    /** See {@link #filter(Predicate)}. */
    public Optional<Predicate<String>> filter() {
        return Optional.ofNullable(fields.filter);
    }

    /** See {@link #cast(DType)}. */
    public Optional<DType> cast() {
        return Optional.ofNullable(fields.cast);
    }

    /** See {@link #verifyChecksums(boolean)}. */
    public boolean verifyChecksums() {
        return fields.verifyChecksums;
    }

    /** See {@link #threads(int)}. */
    public int threads() {
        return fields.threads;
    }

    /** See {@link #deviceMemory(DeviceMemory)}. */
    public DeviceMemory deviceMemory() {
        return fields.deviceMemory;
    }

    /** See {@link #progress(Progress)}. */
    public Optional<Progress> progress() {
        return Optional.ofNullable(fields.progress);
    }

    /** See {@link #progress(ProgressListener)}. */
    public Optional<ProgressListener> progressListener() {
        return Optional.ofNullable(fields.listener);
    }

    /** See {@link #limits(Limits)}, {@link #weightsOnly(boolean)} and {@link #saveIndex(long)}. */
    public OpenOptions openOptions() {
        return fields.open;
    }

    /** As the bridge reads them; {@code location} is this options' map location with functions resolved. */
    byte[] packed(MapLocation location) {
        PackWriter out = new PackWriter();
        out.i32(fields.mmap ? 1 : 0).i32(fields.mmapNetworkFiles ? 1 : 0).i32(fields.prefetch.ordinal());
        out.i32(fields.verifyChecksums ? 1 : 0).i32(fields.threads);
        out.i32(fields.deviceMemory.ordinal());
        out.i32(fields.cast == null ? -1 : fields.cast.number());
        if (location instanceof MapLocation.To to) {
            out.i32(1).string(to.device().toString());
        } else if (location instanceof MapLocation.Remap remap) {
            out.i32(2).i32(remap.devices().size());
            remap.devices().forEach((from, to) -> out.string(from).string(to.toString()));
        } else {
            out.i32(0);
        }
        return out.bytes();
    }
}
