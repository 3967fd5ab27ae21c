package io.torchferry;

import java.io.IOException;
import java.nio.file.Path;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Ordered names and tensors, as {@code nn.Module.state_dict()} gives: an unmodifiable map. Tensors share storages as
 * they did when they were saved, on every device.
 *
 * <p>It owns native memory: {@link #close} it when done. The dicts made from it by {@link #subset}, {@link #to} and so
 * on are owners of their own, and share tensors with it where that is possible; storages live until the last owner is
 * closed and the last buffer is unreachable. Safe to use from any thread.
 */
public final class StateDict extends AbstractMap<String, Tensor> implements AutoCloseable {
    private final TensorIndex index;
    private final Set<Entry<String, Tensor>> entries = new Entries();
    private volatile Map<String, Long> metadata;

    /** Takes the native state dict over. */
    StateDict(long pointer) {
        this(TensorIndex.owned(pointer, "StateDict"));
    }

    private StateDict(TensorIndex index) {
        this.index = index;
    }

    TensorIndex index() {
        return index;
    }

    /**
     * A state dict of these tensors, in the map's order; the tensors are shared, not copied.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static StateDict of(Map<String, Tensor> tensors) {
        List<Tensor> values = new ArrayList<>(tensors.values());
        return new StateDict(Tensors.gather(values, new ArrayList<>(tensors.keySet())));
    }

    /**
     * The tensor of this name, or {@code null}.
     *
     * @throws IllegalStateException after close
     */
    @Override
    public Tensor get(Object key) {
        index.requireOpen();
        int at = key instanceof String name ? index.find(name) : -1;
        return at < 0 ? null : index.tensor(at);
    }

    @Override
    public boolean containsKey(Object key) {
        return key instanceof String name && index.find(name) >= 0;
    }

    @Override
    public int size() {
        return index.size();
    }

    /** Names and tensors in order; unmodifiable. */
    @Override
    public Set<Entry<String, Tensor>> entrySet() {
        return entries;
    }

    /** Whether the tensor of this name was saved as a {@code torch.nn.Parameter}. */
    public boolean isParameter(String key) {
        return index.flag(require(key), TensorIndex.PARAMETER);
    }

    /** The tensors whose names pass, in order, under the same names; see {@link Keys#glob}. */
    public StateDict subset(Predicate<String> keys) {
        List<Integer> kept = new ArrayList<>();
        for (int i = 0; i < size(); i++) {
            if (keys.test(index.key(i))) {
                kept.add(i);
            }
        }
        int[] indices = kept.stream().mapToInt(Integer::intValue).toArray();
        return derived(index.use(pointer -> TorchNative.select(pointer, indices, null, null)));
    }

    /** The tensors whose names start with {@code prefix}, under the same names. */
    public StateDict withPrefix(String prefix) {
        return subset(key -> key.startsWith(prefix));
    }

    /**
     * What belongs to one module, named relative to it: {@code subset("encoder")} gives {@code encoder.layer.weight} as
     * {@code layer.weight}, and the versions of the modules below. Empty when there is nothing.
     *
     * @param module its path without a dot at the end; "" for the whole dict
     */
    public StateDict subset(String module) {
        byte[] name = Utf8.encode(module);
        return derived(index.use(pointer -> TorchNative.submodule(pointer, name)));
    }

    /**
     * All tensors, with {@code prefix} taken off the names that start with it, once; the others keep theirs. What
     * {@code torch.nn.modules.utils.consume_prefix_in_state_dict_if_present} does, for example with {@code "module."},
     * the versions in {@link #metadata} included.
     *
     * @throws IllegalArgumentException naming both tensors, when two would have the same name
     */
    public StateDict withPrefixStripped(String prefix) {
        byte[] text = Utf8.encode(prefix);
        return derived(index.use(pointer -> TorchNative.withPrefixStripped(pointer, text)));
    }

    /**
     * All tensors under new names, in the same order. Versions in {@link #metadata} follow: a module whose tensors all
     * moved to one new prefix has its version there.
     *
     * @param name gives the new name of each; see {@link Keys#replacing} for renaming by regular expressions
     * @throws IllegalArgumentException naming both tensors, when two would have the same name
     */
    public StateDict renamed(Function<String, String> name) {
        List<String> names = new ArrayList<>(size());
        for (int i = 0; i < size(); i++) {
            names.add(Objects.requireNonNull(name.apply(index.key(i)), "a new name"));
        }
        byte[] packed = new PackWriter().names(names).bytes();
        return derived(index.use(pointer -> TorchNative.renamed(pointer, packed)));
    }

    /** What is made from this dict may keep its storages alive, so it holds what was reserved for them, too. */
    private StateDict derived(long pointer) {
        StateDict made = new StateDict(pointer);
        Reservation reservation = index.reservation();
        if (reservation != null && reservation.join()) {
            made.index.reserved(reservation);
        }
        return made;
    }

    /**
     * Another owner of the same tensors under the same names, to be closed on its own: what one part of a program loads
     * and others use lives until the last of them is done. Costs no copy, whatever the number of tensors.
     *
     * @throws IllegalStateException after close
     */
    public StateDict share() {
        return new StateDict(index.another("StateDict"));
    }

    /**
     * All tensors on a device: one copy for each storage, so that what shares memory here shares it there. Tensors
     * that are there already are the same ones. The dict's counterpart of {@code Tensor.to(device)}.
     *
     * @throws DeviceUnavailableException when the device is not there
     * @throws DeviceOutOfMemoryException when its memory runs out
     */
    public StateDict to(Device device) {
        byte[] name = Utf8.encode(device.toString());
        Object flight = Flight.moving(this, device);
        long start = System.nanoTime();
        try {
            StateDict moved = derived(index.use(pointer -> TorchNative.to(pointer, name)));
            Flight.moved(flight, System.nanoTime() - start, null);
            return moved;
        } catch (RuntimeException failure) {
            Flight.moved(flight, System.nanoTime() - start, failure);
            throw failure;
        }
    }

    /**
     * Floating point tensors converted to a type, the others unchanged. Two names of one tensor stay that; views of
     * one storage stay views only where their type does not change.
     */
    public StateDict cast(DType dtype) {
        return derived(index.use(pointer -> TorchNative.cast(pointer, dtype.number())));
    }

    /** Bytes of distinct storages on each device. */
    public Map<Device, Long> bytesByDevice() {
        PackReader in = new PackReader(index.use(TorchNative::bytesByDevice));
        Map<Device, Long> bytes = new LinkedHashMap<>();
        for (int n = in.i32(); n > 0; n--) {
            bytes.put(Device.parse(in.string()), in.i64());
        }
        return Collections.unmodifiableMap(bytes);
    }

    /**
     * Saves this dict as {@code torch.save(state_dict, path)} does.
     *
     * @see #save(Path, SaveOptions)
     */
    public SaveReport save(Path path) throws IOException {
        return save(path, SaveOptions.defaults());
    }

    /**
     * Writes a zip that {@code torch.load} reads with its defaults, {@code weights_only=True} and {@code mmap=True}.
     * Tensors that share a storage share it in the file; one tensor under two names stays one. Every dtype, conj and
     * neg bits, quantized, sparse, nested and meta tensors come back bit by bit. Tensors on devices pass through 16 MiB
     * of host memory.
     *
     * <p>The file appears whole or not at all: whatever is at the path stays until then, also when this throws. The
     * file that this dict was loaded from may be replaced; its mapped tensors keep the old content. Views of one
     * storage that differ in dtype, which {@code torch.save} refuses, are saved in a form that {@code torch.load}
     * reads.
     *
     * <p>With {@link SaveOptions#format} safetensors the file is what {@code safetensors.torch.save_file} writes; with
     * {@link SaveOptions#maxShardBytes} a large dict becomes several files and an index.
     *
     * @throws UnsupportedCheckpointException naming the tensor, before anything is written, when the format has no form
     *     for it
     * @throws IllegalArgumentException when a key is not text that Python can hold
     * @throws CheckpointException when the file cannot be written
     * @throws DeviceOutOfMemoryException when memory runs out
     * @throws java.util.concurrent.CancellationException when {@link Progress#cancel} was called
     * @throws IllegalStateException after close
     */
    public SaveReport save(Path path, SaveOptions options) throws IOException {
        return Checkpoint.save(this, path, options);
    }

    /**
     * The versions of the source's {@code _metadata}: a module's prefix without the last dot ("" for the root) to its
     * version. Empty when the source has no {@code _metadata}.
     */
    public Optional<Map<String, Long>> metadata() {
        Map<String, Long> known = metadata;
        if (known == null) {
            PackReader in = new PackReader(index.use(TorchNative::versions));
            boolean present = in.i32() != 0;
            known = new LinkedHashMap<>();
            for (int n = in.i32(); n > 0; n--) {
                known.put(in.string(), in.i64());
            }
            known = present ? Collections.unmodifiableMap(known) : NO_METADATA;
            metadata = known;
        }
        return known == NO_METADATA ? Optional.empty() : Optional.of(known);
    }

    private static final Map<String, Long> NO_METADATA = new LinkedHashMap<>();

    /** How the load went; all zero for dicts that were not loaded from a file. */
    public LoadReport report() {
        PackReader in = new PackReader(index.use(TorchNative::report));
        long[] numbers = {in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64()};
        List<LoadReport.Skipped> skipped = new ArrayList<>();
        for (int n = in.i32(); n > 0; n--) {
            skipped.add(new LoadReport.Skipped(in.string(), in.string()));
        }
        return new LoadReport(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5],
                numbers[6], Collections.unmodifiableList(skipped));
    }

    /**
     * A handle on this dict for C++ code of the application, which takes it with {@code torchferry::take} of
     * {@code torchferry/handles.h}. Nothing is copied: both sides have the same tensors, which live until both have let
     * go. A handle is good for once: it must be taken, by C++ or by {@link #fromHandle}, or its memory is never freed.
     *
     * @throws IllegalStateException after close
     */
    public long toHandle() {
        return index.use(TorchNative::share);
    }

    /**
     * The dict of a handle that C++ code made with {@code torchferry::share}, or Java with {@link #toHandle}. The handle is
     * used up. A number that is no handle, or one used before, can end the process: it is a native address.
     *
     * @throws IllegalArgumentException when it is seen to be no handle on a state dict
     * @throws UnsupportedOperationException when it was made for another libtorch
     */
    public static StateDict fromHandle(long handle) {
        NativeLoader.torch();
        return new StateDict(TorchNative.take(handle));
    }

    /**
     * Gives this dict's share of the tensors back. Its {@link Tensor} objects can be asked for their shapes and types
     * afterwards, not for elements. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of this object; it stays open then
     */
    @Override
    public void close() {
        index.close();
    }

    /** The names and short forms of the first tensors. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("StateDict{");
        int shown = Math.min(size(), 8);
        for (int i = 0; i < shown; i++) {
            text.append(i == 0 ? "" : ", ").append(PythonText.quote(index.key(i))).append(": ")
                    .append(index.tensor(i));
        }
        return text.append(size() > shown ? ", ... " + (size() - shown) + " more}" : "}").toString();
    }

    /** Whether the other object is this one: comparing values is {@link Tensor#equalsBitwise}'s work. */
    @Override
    public boolean equals(Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }

    private int require(String key) {
        int at = index.find(key);
        if (at < 0) {
            throw new NoSuchElementException("no tensor is named " + PythonText.quote(key));
        }
        return at;
    }

    private final class Entries extends AbstractSet<Entry<String, Tensor>> {
        @Override
        public int size() {
            return index.size();
        }

        @Override
        public Iterator<Entry<String, Tensor>> iterator() {
            index.requireOpen();
            return new Iterator<>() {
                private int next;

                @Override
                public boolean hasNext() {
                    return next < index.size();
                }

                @Override
                public Entry<String, Tensor> next() {
                    if (!hasNext()) {
                        throw new NoSuchElementException();
                    }
                    int at = next++;
                    return new SimpleImmutableEntry<>(index.key(at), index.tensor(at));
                }
            };
        }
    }
}
