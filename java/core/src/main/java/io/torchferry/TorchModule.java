package io.torchferry;

import java.io.IOException;
import java.util.List;

/**
 * A model that takes weights: {@link ScriptModule}, from a TorchScript file, {@link NativeModule}, a C++ class made by
 * its name, or {@link AotiModule}, compiled ahead of time. All follow the rules of {@code torch.nn.Module}; compiled code
 * cannot change its device, types or mode, and says so.
 *
 * <p>Every method may be called from any thread. {@link #forward} runs on several threads at once; what changes the
 * module ({@link #loadStateDict}, {@link #to}, {@link #train}) waits for the calls that run and keeps later ones waiting,
 * so that each call sees the module before or after a change and never in between. {@link #close} the module when done;
 * state dicts and results taken from it stay valid.
 */
public sealed interface TorchModule extends AutoCloseable permits ScriptModule, NativeModule, AotiModule {

    /**
     * {@code module.state_dict()}: parameters and persistent buffers; the tensors are the module's own (copies of an
     * {@link AotiModule}'s).
     */
    StateDict stateDict();

    /** The parameters: {@code dict(module.named_parameters())}, each under every name it has. */
    default StateDict parameters() {
        try (StateDict all = stateDict()) {
            return all.subset(all::isParameter);
        }
    }

    /** The buffers: {@code dict(module.named_buffers())}. */
    default StateDict buffers() {
        try (StateDict all = stateDict()) {
            return all.subset(key -> !all.isParameter(key));
        }
    }

    /**
     * {@code module.load_state_dict(state_dict)}: copies values into the module's own tensors, converting type and
     * device. Everything is checked before the first byte moves.
     *
     * @return this module
     * @throws IncompatibleKeysException with PyTorch's text when names or shapes do not match; the module is as before
     */
    TorchModule loadStateDict(StateDict stateDict);

    /**
     * {@code module.load_state_dict(state_dict, strict=strict)}.
     *
     * @param strict {@code false}: names missing on either side are only reported
     * @throws IncompatibleKeysException with PyTorch's text when shapes do not match, or with {@code strict} names;
     *     the module is as before
     */
    default IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict) {
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
    IncompatibleKeys loadStateDict(StateDict stateDict, boolean strict, boolean assign);

    /**
     * Loads from a file straight into the module, strictly: each tensor is copied once, from the mapped file to wherever
     * the module is, whatever location the file was saved with.
     *
     * @param path the place of the state dict in the file's content, for example {@code "model"}
     * @throws IncompatibleKeysException with PyTorch's text when names or shapes do not match; the module is as before
     * @throws CheckpointException when the file is damaged
     */
    default void loadStateDict(Checkpoint file, String... path) throws IOException {
        try (StateDict mapped = file.stateDict(Device.cpu(), path)) {
            loadStateDict(mapped, true);
        }
    }

    /** What {@link #loadStateDict(StateDict, boolean, boolean)} would do; nothing changes, and nothing is thrown. */
    LoadStateReport checkStateDict(StateDict stateDict, boolean strict, boolean assign);

    /**
     * {@code module.to(device)}; tied tensors stay tied.
     *
     * @return this module
     * @throws DeviceUnavailableException when the device is not there
     * @throws DeviceOutOfMemoryException when its memory runs out
     */
    TorchModule to(Device device);

    /**
     * {@code module.to(dtype)}: floating point parameters and buffers.
     *
     * @return this module
     * @throws IllegalArgumentException for a type that is not floating point
     */
    TorchModule to(DType dtype);

    /**
     * {@code module.eval()}.
     *
     * @return this module
     */
    TorchModule eval();

    /**
     * {@code module.train(on)}.
     *
     * @return this module
     */
    TorchModule train(boolean on);

    /** {@code module.training}. */
    boolean isTraining();

    /** Name of the class, or the name that a native module was made by. */
    String typeName();

    /**
     * Runs the module in inference mode and gives its one result.
     *
     * @throws IllegalArgumentException in libtorch's words, when the module fails on these inputs
     * @throws IllegalStateException when it gives several tensors: see {@link #forwardAll}
     */
    default Tensor forward(Tensor... inputs) {
        List<Tensor> results = forwardAll(inputs);
        if (results.size() != 1) {
            results.forEach(Tensor::close);
            throw new IllegalStateException("forward gave " + results.size() + " tensors; use forwardAll");
        }
        return results.get(0);
    }

    /**
     * Runs the module in inference mode: a tensor, or the tensors of a tuple or list.
     *
     * @throws IllegalArgumentException in libtorch's words, when the module fails on these inputs
     */
    List<Tensor> forwardAll(Tensor... inputs);

    /**
     * Gives the module back. Closing twice is allowed.
     *
     * @throws IllegalStateException when another thread is inside a method of this object; it stays open then
     */
    @Override
    void close();
}
