package io.torchferry;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How content is saved. Immutable: every method gives changed options and leaves these as they are.
 *
 * <pre>{@code SaveOptions.defaults().locationTags(LocationTags.CPU).alignment(4096)}</pre>
 */
public final class SaveOptions {
    private static final int LEAST_ALIGNMENT = 16;
    private static final int MOST_ALIGNMENT = 65_536;
    private static final SaveOptions DEFAULTS = new SaveOptions(new Fields());

    private static final class Fields implements Cloneable {
        Format format = Format.ZIP;
        long maxShardBytes;
        Map<String, String> metadata = Map.of("format", "pt");
        boolean repeatShared;
        boolean orderedDict = true;
        int alignment = 64;
        boolean checksums = true;
        LocationTags locationTags = LocationTags.DEVICE;
        boolean keepParameters;
        boolean compact;
        Progress progress;
        ProgressListener listener;

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

    private SaveOptions(Fields fields) {
        this.fields = fields;
    }

    /** As {@code torch.save(model.state_dict(), path)} writes it. */
    public static SaveOptions defaults() {
        return DEFAULTS;
    }

    private interface Change {
        void on(Fields fields);
    }

    private SaveOptions with(Change change) {
        Fields changed = fields.clone();
        change.on(changed);
        return new SaveOptions(changed);
    }

    /**
     * {@link Format#ZIP} (at first), which is {@code torch.save}'s, or {@link Format#SAFETENSORS}, which holds state
     * dicts and flat maps of names and tensors.
     *
     * @throws IllegalArgumentException for another format: they are not written
     */
    public SaveOptions format(Format format) {
        if (format != Format.ZIP && format != Format.SAFETENSORS) {
            throw new IllegalArgumentException("files of the format " + format + " are not written; zip and "
                    + "safetensors are");
        }
        return with(f -> f.format = format);
    }

    /**
     * State dicts of more bytes are spread over files of at most this many bytes of tensors each and an index that says
     * which tensor is where, as Hugging Face's libraries do: {@code model.safetensors} becomes
     * {@code model-00001-of-00003.safetensors} and so on with {@code model.safetensors.index.json}. Tensors that share
     * memory stay together in zip files; a tensor that is larger alone gets a file of its own. No limit at first.
     *
     * @throws IllegalArgumentException unless it is positive
     */
    public SaveOptions maxShardBytes(long bytes) {
        if (bytes <= 0) {
            throw new IllegalArgumentException("a shard needs room for at least one byte, not " + bytes);
        }
        return with(f -> f.maxShardBytes = bytes);
    }

    /**
     * What a safetensors file holds as {@code __metadata__}; {@code {"format": "pt"}} at first, which is what Hugging
     * Face's libraries look for. A copy is kept.
     */
    public SaveOptions metadata(Map<String, String> metadata) {
        Map<String, String> copy = Map.copyOf(metadata);
        return with(f -> f.metadata = copy);
    }

    /**
     * What becomes of several names of one tensor in a safetensors file, which cannot say that they are. {@code false}
     * (at first): it is written once, under the name that sorts first, and {@code __metadata__} says
     * {@code {"left out": "kept"}}, as {@code safetensors.torch.save_model} does. {@code true}: under every name. Views
     * that differ are always written each for itself.
     */
    public SaveOptions repeatShared(boolean on) {
        return with(f -> f.repeatShared = on);
    }

    /**
     * {@code true} (at first): a {@code collections.OrderedDict} with the modules' versions as {@code _metadata}, like
     * {@code model.state_dict()}. {@code false}: a plain dict without versions, which libtorch's own
     * {@code torch::jit::pickle_load} reads too.
     */
    public SaveOptions orderedDict(boolean on) {
        return with(f -> f.orderedDict = on);
    }

    /**
     * Storages start at multiples of this many bytes in the file; 64 at first, as in PyTorch. 4096 lets each be read
     * directly or mapped by itself.
     *
     * @throws IllegalArgumentException unless it is a power of two from 16 to 65536
     */
    public SaveOptions alignment(int bytes) {
        if (bytes < LEAST_ALIGNMENT || bytes > MOST_ALIGNMENT || Integer.bitCount(bytes) != 1) {
            throw new IllegalArgumentException("the alignment must be a power of two from " + LEAST_ALIGNMENT + " to "
                    + MOST_ALIGNMENT + ", not " + bytes);
        }
        return with(f -> f.alignment = bytes);
    }

    /** Records CRC-32 sums; on at first, as in PyTorch. */
    public SaveOptions checksums(boolean on) {
        return with(f -> f.checksums = on);
    }

    /** Which locations storages are saved with; {@link LocationTags#DEVICE} at first. */
    public SaveOptions locationTags(LocationTags tags) {
        Objects.requireNonNull(tags, "tags");
        return with(f -> f.locationTags = tags);
    }

    /**
     * {@code true}: parameters are saved as {@code torch.nn.Parameter} with their {@code requires_grad}. {@code false}
     * (at first): every tensor is saved as a plain one without, as in {@code model.state_dict()}.
     */
    public SaveOptions keepParameters(boolean on) {
        return with(f -> f.keepParameters = on);
    }

    /**
     * {@code true}: only the stretches of storages that the dict's tensors reach are saved. Tensors that overlap stay
     * views of one storage; one that has its stretch for itself but not without gaps becomes contiguous. {@code false}
     * (at first): whole storages, as {@code torch.save} does, however small the views of them are.
     */
    public SaveOptions compact(boolean on) {
        return with(f -> f.compact = on);
    }

    /** Lets another thread watch the bytes of tensors being written, and stop the saving. */
    public SaveOptions progress(Progress progress) {
        Objects.requireNonNull(progress, "progress");
        return with(f -> f.progress = progress);
    }

    /** Has a listener told how far the saving has come, by a thread that lives as long as it does. */
    public SaveOptions progress(ProgressListener listener) {
        Objects.requireNonNull(listener, "listener");
        return with(f -> f.listener = listener);
    }

    /** See {@link #format(Format)}. */
    public Format format() {
        return fields.format;
    }

    /** See {@link #maxShardBytes(long)}; empty: no limit. */
    public OptionalLong maxShardBytes() {
        return fields.maxShardBytes == 0 ? OptionalLong.empty() : OptionalLong.of(fields.maxShardBytes);
    }

    /** See {@link #metadata(Map)}. */
    public Map<String, String> metadata() {
        return fields.metadata;
    }

    /** See {@link #repeatShared(boolean)}. */
    public boolean repeatShared() {
        return fields.repeatShared;
    }

    /** See {@link #orderedDict(boolean)}. */
    public boolean orderedDict() {
        return fields.orderedDict;
    }

    /** See {@link #alignment(int)}. */
    public int alignment() {
        return fields.alignment;
    }

    /** See {@link #checksums(boolean)}. */
    public boolean checksums() {
        return fields.checksums;
    }

    /** See {@link #locationTags(LocationTags)}. */
    public LocationTags locationTags() {
        return fields.locationTags;
    }

    /** See {@link #keepParameters(boolean)}. */
    public boolean keepParameters() {
        return fields.keepParameters;
    }

    /** See {@link #compact(boolean)}. */
    public boolean compact() {
        return fields.compact;
    }

    /** See {@link #progress(Progress)}. */
    public Optional<Progress> progress() {
        return Optional.ofNullable(fields.progress);
    }

    /** See {@link #progress(ProgressListener)}. */
    public Optional<ProgressListener> progressListener() {
        return Optional.ofNullable(fields.listener);
    }

    /** As the bridge reads them. */
    byte[] packed() {
        PackWriter out = new PackWriter()
                .i32(fields.format.ordinal())
                .i64(fields.maxShardBytes)
                .i32(fields.repeatShared ? 1 : 0)
                .i32(fields.metadata.size());
        fields.metadata.forEach((name, text) -> out.string(name).string(text));
        return out
                .i32(fields.orderedDict ? 1 : 0)
                .i32(fields.alignment)
                .i32(fields.checksums ? 1 : 0)
                .i32(fields.locationTags == LocationTags.CPU ? 1 : 0)
                .i32(fields.keepParameters ? 1 : 0)
                .i32(fields.compact ? 1 : 0)
                .bytes();
    }
}
