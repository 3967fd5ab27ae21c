package io.torchferry;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A TorchScript module ({@code torch.jit.ScriptModule}), always loaded with an explicit device.
 *
 * <p><b>Trust.</b> A TorchScript file is a program: only load modules that you trust. Checkpoints are data, and are
 * not affected.
 *
 * <p>Threads: as {@link TorchModule} says. Loading, saving and freezing modules take turns in the whole process, because
 * libtorch keeps the types of all modules in one place.
 */
public final class ScriptModule implements TorchModule {
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

    /**
     * {@code torch.jit.save(module, path)}. The file appears whole or not at all.
     *
     * @throws CheckpointException when it cannot be written
     */
    public void save(Path path) throws IOException {
        byte[] file = PathBytes.of(path);
        handle.run(module -> TorchNative.moduleSave(module, file));
    }

    @Override
    public StateDict stateDict() {
        return new StateDict(handle.use(TorchNative::moduleStateDict));
    }

    @Override
    public ScriptModule loadStateDict(StateDict stateDict) {
        loadStateDict(stateDict, true);
        return this;
    }

    @Override
    public IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict, boolean assign) {
        byte[] packed = handle.use(module -> stateDict.index().use(
                values -> TorchNative.moduleLoadStateDict(module, values, strict, assign)));
        PackReader in = new PackReader(packed);
        return new IncompatibleKeys(in.strings(), in.strings());
    }

    @Override
    public LoadStateReport checkStateDict(StateDict stateDict, boolean strict, boolean assign) {
        return LoadStateReport.read(handle.use(module -> stateDict.index().use(
                values -> TorchNative.moduleCheckStateDict(module, values, strict, assign))));
    }

    @Override
    public ScriptModule to(Device device) {
        byte[] deviceName = Utf8.encode(device.toString());
        handle.run(module -> TorchNative.moduleTo(module, deviceName));
        return this;
    }

    @Override
    public ScriptModule to(DType dtype) {
        handle.run(module -> TorchNative.moduleCast(module, dtype.number()));
        return this;
    }

    @Override
    public ScriptModule eval() {
        return train(false);
    }

    @Override
    public ScriptModule train(boolean on) {
        handle.run(module -> TorchNative.moduleTrain(module, on));
        return this;
    }

    @Override
    public boolean isTraining() {
        return handle.use(TorchNative::moduleIsTraining);
    }

    /**
     * {@code torch.jit.freeze(module)}: a new module whose weights are constants of its code, which libtorch can
     * optimise further; it has no state dict. This module is as before.
     *
     * @throws IllegalArgumentException when this module is in training mode
     */
    public ScriptModule freeze() {
        return new ScriptModule(handle.use(TorchNative::moduleFreeze), name + ", frozen");
    }

    /** Name of the class as Python wrote it: {@code "Sequential"}. */
    @Override
    public String typeName() {
        return Utf8.decode(handle.use(TorchNative::moduleTypeName));
    }

    @Override
    public List<Tensor> forwardAll(Tensor... inputs) {
        return run(null, inputs);
    }

    /** Like {@link #forwardAll}, for another method of the module. */
    public List<Tensor> runMethod(String method, Tensor... inputs) {
        return run(Utf8.encode(method), inputs);
    }

    /**
     * Calls a method in inference mode with any values: {@code module.method(*arguments)}.
     *
     * @throws IllegalArgumentException when there is no such method, or a number or type of arguments that it does not
     *     take, and in libtorch's words when the method fails
     * @throws UnsupportedOperationException when it gives something that has no form as {@link IValue}
     */
    public IValue call(String method, IValue... arguments) {
        return call(method, List.of(arguments), Map.of());
    }

    /**
     * Like {@link #call(String, IValue...)}, with keyword arguments: {@code module.method(*arguments, **named)}. What is
     * not given takes the method's default.
     */
    public IValue call(String method, List<IValue> arguments, Map<String, IValue> named) {
        IValues packed = new IValues(arguments, named);
        byte[] methodName = Utf8.encode(method);
        return IValues.read(handle.use(module -> Tensors.useAll(packed.tensors(),
                (owners, indices) -> TorchNative.moduleCall(module, methodName, packed.packed(), owners, indices))));
    }

    private List<Tensor> run(byte[] method, Tensor... inputs) {
        long[] results = handle.use(module -> Tensors.useAll(List.of(inputs),
                (owners, indices) -> TorchNative.moduleRun(module, method, owners, indices)));
        return Tensors.aloneAll(results);
    }

    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "ScriptModule[" + name + "]";
    }
}
