package io.torchferry;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A C++ module ({@code torch::nn::Module}) made by its name, as the class is made by its constructor in Python.
 *
 * <p>Built in are torchvision's {@code resnet18}, {@code resnet34}, {@code resnet50}, {@code resnet101} and
 * {@code resnet152}, with its names, shapes and numerics. They have the options {@code num_classes} (1000) and
 * {@code init} (true: random weights as torchvision draws them; false: zeros, for a module that is about to be loaded).
 * Applications add their own in a shared library: {@code TORCHFERRY_REGISTER_MODULE} of
 * {@code torchferry/register_module.h}, and {@link #loadLibrary}.
 *
 * <p>A file that C++ wrote with {@code torch::save(module, path)} is loaded like any other, with
 * {@link #loadStateDict(Checkpoint, String...)}: names and shapes are checked, which {@code torch::load} does not do.
 *
 * <p>Threads: as {@link TorchModule} says.
 */
public final class NativeModule implements TorchModule {
    private final Handle handle;
    private final String name;

    private NativeModule(long pointer, String name) {
        this.handle = Handle.owning("NativeModule " + name, pointer, TorchNative::nativeModuleDestroy);
        this.name = name;
    }

    /** The names that {@link #create(String)} knows, sorted. */
    public static List<String> names() {
        NativeLoader.torch();
        return new PackReader(TorchNative.nativeModuleNames()).strings();
    }

    /**
     * Loads a shared library that registers modules. It stays loaded; loading it again gives the same names.
     *
     * <p><b>Trust.</b> The library's code is run: only load what you trust.
     *
     * @return the names that it registers
     * @throws CheckpointException when the system cannot load it, or it was compiled for another Torchferry or libtorch
     * @throws IllegalArgumentException when it registers nothing, or a name that is taken; none of its names is known
     *     then
     */
    public static List<String> loadLibrary(Path library) throws IOException {
        NativeLoader.torch();
        return new PackReader(TorchNative.nativeModuleLoadLibrary(PathBytes.of(library.toAbsolutePath()))).strings();
    }

    /** A module on the CPU with default options: {@code resnet50()}. */
    public static NativeModule create(String name) {
        return create(name, Map.of(), Device.cpu());
    }

    /**
     * A module on a device: {@code resnet50(num_classes=10).to(device)}. On {@link Device#meta} no weights are made;
     * {@link #loadStateDict(StateDict, boolean, boolean)} with {@code assign} gives the module its weights, without a
     * copy.
     *
     * @param config the options: values are Boolean, Integer or Long, Float or Double, String
     * @throws IllegalArgumentException when there is no module of this name, or it has no such option
     * @throws DeviceUnavailableException when the device is not there
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static NativeModule create(String name, Map<String, ?> config, Device device) {
        NativeLoader.torch();
        byte[] packed = packed(config);
        return new NativeModule(
                TorchNative.nativeModuleCreate(Utf8.encode(name), packed, Utf8.encode(device.toString())), name);
    }

    private static byte[] packed(Map<String, ?> config) {
        PackWriter out = new PackWriter().i32(config.size());
        config.forEach((option, value) -> {
            out.string(option);
            if (value instanceof Boolean bool) {
                out.i32(0).i32(bool ? 1 : 0);
            } else if (value instanceof Integer || value instanceof Long) {
                out.i32(1).i64(((Number) value).longValue());
            } else if (value instanceof Float || value instanceof Double) {
                out.i32(2).i64(Double.doubleToRawLongBits(((Number) value).doubleValue()));
            } else if (value instanceof String text) {
                out.i32(3).string(text);
            } else {
                throw new IllegalArgumentException("the option " + PythonText.quote(option)
                        + " must be a Boolean, Integer, Long, Float, Double or String");
            }
        });
        return out.bytes();
    }

    @Override
    public StateDict stateDict() {
        return new StateDict(handle.use(TorchNative::nativeModuleStateDict));
    }

    @Override
    public NativeModule loadStateDict(StateDict stateDict) {
        loadStateDict(stateDict, true);
        return this;
    }

    @Override
    public IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict, boolean assign) {
        byte[] packed = handle.use(module -> stateDict.index().use(
                values -> TorchNative.nativeModuleLoadStateDict(module, values, strict, assign)));
        PackReader in = new PackReader(packed);
        return new IncompatibleKeys(in.strings(), in.strings());
    }

    @Override
    public LoadStateReport checkStateDict(StateDict stateDict, boolean strict, boolean assign) {
        return LoadStateReport.read(handle.use(module -> stateDict.index().use(
                values -> TorchNative.nativeModuleCheckStateDict(module, values, strict, assign))));
    }

    @Override
    public NativeModule to(Device device) {
        byte[] deviceName = Utf8.encode(device.toString());
        handle.run(module -> TorchNative.nativeModuleTo(module, deviceName));
        return this;
    }

    @Override
    public NativeModule to(DType dtype) {
        handle.run(module -> TorchNative.nativeModuleCast(module, dtype.number()));
        return this;
    }

    @Override
    public NativeModule eval() {
        return train(false);
    }

    @Override
    public NativeModule train(boolean on) {
        handle.run(module -> TorchNative.nativeModuleTrain(module, on));
        return this;
    }

    @Override
    public boolean isTraining() {
        return handle.use(TorchNative::nativeModuleIsTraining);
    }

    @Override
    public String typeName() {
        return name;
    }

    @Override
    public List<Tensor> forwardAll(Tensor... inputs) {
        long[] results = handle.use(module -> Tensors.useAll(List.of(inputs),
                (owners, indices) -> TorchNative.nativeModuleForward(module, owners, indices)));
        return Tensors.aloneAll(results);
    }

    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "NativeModule[" + name + "]";
    }
}
