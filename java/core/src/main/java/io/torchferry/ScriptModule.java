package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;

/**
 * A TorchScript module ({@code torch.jit.ScriptModule}), always loaded with an explicit device.
 *
 * <p><b>Trust.</b> A TorchScript file is a program: only load modules that you trust. Checkpoints are data, and are
 * not affected.
 *
 * <p>{@link #forward} may run on several threads at once while nothing changes the module; {@link #loadStateDict},
 * {@link #to} and {@link #train} must not run at the same time as anything else on it. {@link #close} it when done;
 * state dicts and results taken from it stay valid.
 */
public final class ScriptModule implements AutoCloseable {
    private final Handle handle;
    private final String name;

    private ScriptModule(long pointer, String name) {
        this.handle = Handle.owning("ScriptModule " + name, pointer, TorchNative::moduleDestroy);
        this.name = name;
    }

    /** {@code torch.jit.load(path, map_location="cpu")}. */
    public static ScriptModule load(Path path) throws IOException {
        return load(path, Device.cpu());
    }

    /**
     * {@code torch.jit.load(path, map_location=device)}.
     *
     * @throws CheckpointException when there is no such file, or it is not a TorchScript module
     * @throws DeviceUnavailableException when the device is not there
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static ScriptModule load(Path path, Device device) throws IOException {
        return Source.of(path, Limits.DEFAULT).use(source -> load(source, device));
    }

    /** Like {@link #load(Path, Device)} from the buffer's remaining bytes; the buffer is not needed afterwards. */
    public static ScriptModule load(ByteBuffer bytes, Device device) throws IOException {
        return Source.of(bytes).use(source -> load(source, device));
    }

    /** Like {@link #load(Path, Device)} from what the stream has left; the stream is not closed. */
    public static ScriptModule load(InputStream stream, Device device) throws IOException {
        return Source.of(stream, Limits.DEFAULT).use(source -> load(source, device));
    }

    private static ScriptModule load(Source source, Device device) throws IOException {
        NativeLoader.torch();
        byte[] deviceName = Utf8.encode(device.toString());
        byte[] name = Utf8.encode(source.name());
        long pointer = source.memory() != null
                ? TorchNative.moduleLoadMemory(source.memory(), name, deviceName)
                : TorchNative.moduleLoad(source.path(), name, deviceName);
        return new ScriptModule(pointer, source.name());
    }

    /** {@code module.state_dict()}: parameters and persistent buffers; the tensors are the module's own. */
    public StateDict stateDict() {
        return new StateDict(handle.use(TorchNative::moduleStateDict));
    }

    /**
     * {@code module.load_state_dict(state_dict)}: copies values into the module's own tensors, converting type and
     * device. Everything is checked before the first byte moves.
     *
     * @return this module
     * @throws IncompatibleKeysException with PyTorch's text when names or shapes do not match; the module is as before
     */
    public ScriptModule loadStateDict(StateDict stateDict) {
        loadStateDict(stateDict, true);
        return this;
    }

    /**
     * {@code module.load_state_dict(state_dict, strict=strict)}.
     *
     * @param strict {@code false}: names missing on either side are only reported
     * @throws IncompatibleKeysException with PyTorch's text when shapes do not match, or with {@code strict} names;
     *     the module is as before
     */
    public IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict) {
        return loadStateDict(stateDict, strict, false);
    }

    /**
     * {@code module.load_state_dict(state_dict, strict=strict, assign=assign)}.
     *
     * @param strict {@code false}: names missing on either side are only reported
     * @param assign {@code true}: the state dict's tensors take the places of the module's, with their type and device
     *     and without a copy; both then share memory. For modules on the meta device, and for loads that cost nothing
     * @throws IncompatibleKeysException as above; also, with {@code assign}, for an integer tensor in the place of a
     *     parameter that requires gradients
     */
    public IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict, boolean assign) {
        byte[] packed = handle.use(module -> stateDict.index().use(
                values -> TorchNative.moduleLoadStateDict(module, values, strict, assign)));
        PackReader in = new PackReader(packed);
        return new IncompatibleKeys(in.strings(), in.strings());
    }

    /** What {@link #loadStateDict(StateDict, boolean, boolean)} would do; nothing changes, and nothing is thrown. */
    public LoadStateReport checkStateDict(StateDict stateDict, boolean strict, boolean assign) {
        return LoadStateReport.read(handle.use(module -> stateDict.index().use(
                values -> TorchNative.moduleCheckStateDict(module, values, strict, assign))));
    }

    /**
     * {@code module.to(device)}.
     *
     * @return this module
     * @throws DeviceUnavailableException when the device is not there
     */
    public ScriptModule to(Device device) {
        byte[] deviceName = Utf8.encode(device.toString());
        handle.run(module -> TorchNative.moduleTo(module, deviceName));
        return this;
    }

    /**
     * {@code module.eval()}.
     *
     * @return this module
     */
    public ScriptModule eval() {
        return train(false);
    }

    /**
     * {@code module.train(on)}.
     *
     * @return this module
     */
    public ScriptModule train(boolean on) {
        handle.run(module -> TorchNative.moduleTrain(module, on));
        return this;
    }

    /** {@code module.training}. */
    public boolean isTraining() {
        return handle.use(TorchNative::moduleIsTraining);
    }

    /** Name of the class as Python wrote it: {@code "Sequential"}. */
    public String typeName() {
        return Utf8.decode(handle.use(TorchNative::moduleTypeName));
    }

    /**
     * Runs the module without gradients and gives its one result.
     *
     * @throws IllegalArgumentException in libtorch's words, when the module fails on these inputs
     * @throws IllegalStateException when it gives several tensors: see {@link #forwardAll}
     */
    public Tensor forward(Tensor... inputs) {
        List<Tensor> results = forwardAll(inputs);
        if (results.size() != 1) {
            results.forEach(Tensor::close);
            throw new IllegalStateException("forward gave " + results.size() + " tensors; use forwardAll");
        }
        return results.get(0);
    }

    /**
     * Runs the module without gradients: a tensor, or the tensors of a tuple or list.
     *
     * @throws IllegalArgumentException in libtorch's words, when the module fails on these inputs
     */
    public List<Tensor> forwardAll(Tensor... inputs) {
        return run(null, inputs);
    }

    /** Like {@link #forwardAll}, for another method of the module. */
    public List<Tensor> runMethod(String method, Tensor... inputs) {
        return run(Utf8.encode(method), inputs);
    }

    private List<Tensor> run(byte[] method, Tensor... inputs) {
        long[] results = handle.use(module -> Tensors.useAll(List.of(inputs),
                (owners, indices) -> TorchNative.moduleRun(module, method, owners, indices)));
        return Tensors.aloneAll(results);
    }

    /**
     * Gives the module back. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of this object; it stays open then
     */
    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "ScriptModule[" + name + "]";
    }
}
