package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model that {@code torch.export} and AOTInductor compiled ahead of time
 * ({@code torch._inductor.aoti_compile_and_package}): a {@code .pt2} package, which runs without Python.
 *
 * <p>The code in it is made for one kind of device, and for the type, shape and strides of each constant. Its constants
 * are what the exported model's parameters and buffers were, under their names in its state dict; compiling leaves out
 * what the code does not need. {@link #loadStateDict} replaces their values by the rules of all modules:
 *
 * <ul>
 *   <li>values are copied into the model's own memory and converted to its types; with {@code assign} the model uses the
 *       state dict's memory instead, which must then have just the type, device and strides that the code is compiled for;
 *   <li>{@code num_batches_tracked} of a batch norm may be there, although only training uses it; other names that
 *       compiling left out (unused layers, the second name of tied weights, small tensors without
 *       {@code always_keep_tensor_constants=True}) are unexpected when the load is strict;
 *   <li>{@link #stateDict} gives copies: writing to them does not change the model.
 * </ul>
 *
 * <p>{@link #to} accepts only the device and {@link #train} only the mode that it has already.
 *
 * <p><b>Trust.</b> A package holds a shared library, which is unpacked into a folder of its own below
 * {@code java.io.tmpdir} and loaded: only load packages that you trust. The folder goes with the module. Programs must be
 * allowed to run there (no {@code noexec}).
 *
 * <p>Threads: as {@link TorchModule} says, as many calls at once as there are runners; others wait. Loading takes one lock
 * for the whole process.
 */
public final class AotiModule implements TorchModule {
    private static final String USUAL = "model";

    private final Handle handle;
    private final String name;
    private final String model;
    private final Device device;

    private AotiModule(long pointer, String name, String model, Device device) {
        this.handle = Handle.owning("AotiModule " + name, pointer, TorchNative::aotiDestroy);
        this.name = name;
        this.model = model;
        this.device = device;
    }

    /** {@code torch._inductor.aoti_load_package(path)}, compiled for the CPU, with one runner. */
    public static AotiModule load(Path path) throws IOException {
        return load(path, Device.cpu());
    }

    /** {@code torch._inductor.aoti_load_package(path)} with one runner. */
    public static AotiModule load(Path path, Device device) throws IOException {
        return load(path, device, USUAL, 1);
    }

    /**
     * {@code torch._inductor.aoti_load_package(path, model, num_runners=runners, device_index=device.index())}.
     *
     * @param device of the type that the package was compiled for
     * @param model one of the package's models; {@code "model"} where PyTorch was told no name
     * @param runners instances of the model, which share its constants: as many calls run at the same time
     * @throws CheckpointException when there is no such file, or it is no such package or damaged, or cannot be unpacked
     * @throws UnsupportedCheckpointException when it was compiled for another kind of device or processor, for another
     *     libtorch, or without its constants
     * @throws DeviceUnavailableException when the device is not there
     * @throws IllegalArgumentException when the package has no such model, or {@code runners} is not from 1 to 1024
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static AotiModule load(Path path, Device device, String model, int runners) throws IOException {
        return Source.of(path, Limits.DEFAULT).use(source -> load(source, device, model, runners));
    }

    /** Like {@link #load(Path, Device)} from the buffer's remaining bytes; the buffer is not needed afterwards. */
    public static AotiModule load(ByteBuffer bytes, Device device) throws IOException {
        return Source.of(bytes).use(source -> load(source, device, USUAL, 1));
    }

    /** Like {@link #load(Path, Device)} from what the stream has left; the stream is not closed. */
    public static AotiModule load(InputStream stream, Device device) throws IOException {
        return Source.of(stream, Limits.DEFAULT).use(source -> load(source, device, USUAL, 1));
    }

    private static AotiModule load(Source source, Device device, String model, int runners) throws IOException {
        NativeLoader.torch();
        byte[] deviceName = Utf8.encode(device.toString());
        byte[] name = Utf8.encode(source.name());
        byte[] modelName = Utf8.encode(model);
        byte[] folder = PathBytes.of(Path.of(System.getProperty("java.io.tmpdir")));
        long pointer = source.memory() != null
                ? TorchNative.aotiLoadMemory(source.memory(), name, deviceName, modelName, runners, folder)
                : TorchNative.aotiLoad(source.path(), name, deviceName, modelName, runners, folder);
        return new AotiModule(pointer, source.name(), model, device);
    }

    /**
     * What the package says of itself: {@code "AOTI_DEVICE_KEY"}, {@code "AOTI_CPU_ISA"} and others, and what was given as
     * {@code aot_inductor.metadata} when it was made.
     */
    public Map<String, String> metadata() {
        List<String> texts = new PackReader(handle.use(TorchNative::aotiMetadata)).strings();
        Map<String, String> metadata = new LinkedHashMap<>();
        for (int i = 0; i < texts.size(); i += 2) {
            metadata.put(texts.get(i), texts.get(i + 1));
        }
        return Collections.unmodifiableMap(metadata);
    }

    /** The device that it was loaded to. */
    public Device device() {
        return device;
    }

    /** Copies of the constants, by their names in the exported model's state dict and in its modules' order. */
    @Override
    public StateDict stateDict() {
        return new StateDict(handle.use(TorchNative::aotiStateDict));
    }

    @Override
    public AotiModule loadStateDict(StateDict stateDict) {
        loadStateDict(stateDict, true);
        return this;
    }

    @Override
    public IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict, boolean assign) {
        byte[] packed = handle.use(module -> stateDict.index().use(
                values -> TorchNative.aotiLoadStateDict(module, values, strict, assign)));
        PackReader in = new PackReader(packed);
        return new IncompatibleKeys(in.strings(), in.strings());
    }

    @Override
    public LoadStateReport checkStateDict(StateDict stateDict, boolean strict, boolean assign) {
        return LoadStateReport.read(handle.use(module -> stateDict.index().use(
                values -> TorchNative.aotiCheckStateDict(module, values, strict, assign))));
    }

    /**
     * Nothing to do.
     *
     * @throws UnsupportedOperationException for another device than the one it was loaded to
     */
    @Override
    public AotiModule to(Device target) {
        return requireSame(target.type().equals(device.type()) && (target.index() < 0 || target.index() == device.index()),
                "compiled code stays on the device that it was loaded to, " + device + ": load it again for " + target);
    }

    /** @throws UnsupportedOperationException always: the code is compiled for the types that it has */
    @Override
    public AotiModule to(DType dtype) {
        return requireSame(false, "compiled code keeps the types that it was compiled for");
    }

    /** Nothing to do: the code does what the model did when it was exported, which is mostly in eval mode. */
    @Override
    public AotiModule eval() {
        return requireSame(true, "");
    }

    /** @throws UnsupportedOperationException for {@code true}: compiled code has one mode */
    @Override
    public AotiModule train(boolean on) {
        return requireSame(!on, "compiled code has the one mode that it was exported in");
    }

    private AotiModule requireSame(boolean same, String otherwise) {
        handle.run(module -> { });
        if (!same) {
            throw new UnsupportedOperationException(otherwise);
        }
        return this;
    }

    /** {@code false}, whatever mode the model was exported in. */
    @Override
    public boolean isTraining() {
        return handle.use(module -> false);
    }

    /** The name of the model in the package. */
    @Override
    public String typeName() {
        return model;
    }

    /**
     * Runs the model. Inputs and results are those of the exported model one after the other, lists and dicts flattened.
     * Inputs must have the types, shapes and strides that it was exported for; that is checked, unless the variable
     * {@code AOTI_RUNTIME_CHECK_INPUTS} is {@code 0} in the process's environment.
     *
     * @throws IllegalArgumentException when they do not fit, and in the model's words when it fails
     */
    @Override
    public List<Tensor> forwardAll(Tensor... inputs) {
        long[] results = handle.use(module -> Tensors.useAll(List.of(inputs),
                (owners, indices) -> TorchNative.aotiForward(module, owners, indices)));
        return Tensors.aloneAll(results);
    }

    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "AotiModule[" + name + "]";
    }
}
