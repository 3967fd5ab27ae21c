package io.torchferry;

import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * A device as torch names it ({@code torch.device}).
 *
 * @param type {@code "cpu"}, {@code "cuda"}, {@code "mps"}, {@code "xpu"}, {@code "hpu"}, {@code "mtia"},
 *     {@code "meta"}, {@code "privateuseone"} or its new name
 * @param index the device's number among its type, or -1 for "the current one", as in {@code torch.device("cuda")}
 */
public record Device(String type, int index) {
    private static final Device CPU = new Device("cpu", -1);
    private static final Device META = new Device("meta", -1);

    /**
     * Checks the form, not whether the device is there.
     *
     * @throws IllegalArgumentException when {@code index} is below -1 or {@code type} is not a name
     */
    public Device {
        Objects.requireNonNull(type, "type");
        boolean named = !type.isEmpty() && type.chars().allMatch(c -> c >= 'a' && c <= 'z' || c == '_'
                || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9');
        if (!named || index < -1) {
            throw new IllegalArgumentException("Invalid device string: '" + type + (index == -1 ? "" : ":" + index)
                    + "'");
        }
    }

    /** The host's processor and memory. */
    public static Device cpu() {
        return CPU;
    }

    /** The NVIDIA or ROCm device with this index. */
    public static Device cuda(int index) {
        return new Device("cuda", requireIndex(index));
    }

    /** Apple's GPU. */
    public static Device mps() {
        return new Device("mps", -1);
    }

    /** The device without memory: tensors have shapes and types, but no elements. */
    public static Device meta() {
        return META;
    }

    /**
     * Parses {@code "cuda"}, {@code "cuda:1"}, {@code "cpu:0"}; {@code torch.device(text)}.
     *
     * @throws IllegalArgumentException in torch's words when the text is not a device
     */
    public static Device parse(String text) {
        int colon = text.indexOf(':');
        if (colon < 0) {
            return invalidAs(text, () -> new Device(text, -1));
        }
        String digits = text.substring(colon + 1);
        boolean number = !digits.isEmpty() && digits.length() <= 9 && digits.chars().allMatch(c -> c >= '0' && c <= '9')
                && (digits.length() == 1 || digits.charAt(0) != '0');
        if (!number) {
            throw invalid(text);
        }
        return invalidAs(text, () -> new Device(text.substring(0, colon), Integer.parseInt(digits)));
    }

    private static Device invalidAs(String text, java.util.function.Supplier<Device> device) {
        try {
            return device.get();
        } catch (IllegalArgumentException e) {
            throw invalid(text);
        }
    }

    private static IllegalArgumentException invalid(String text) {
        return new IllegalArgumentException("Invalid device string: '" + text + "'");
    }

    private static int requireIndex(int index) {
        if (index < 0) {
            throw new IllegalArgumentException("a device index must not be negative: " + index);
        }
        return index;
    }

    /**
     * The first accelerator that has a device (cuda, then xpu, mps, privateuseone), else the CPU.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static Device bestAvailable() {
        NativeLoader.torch();
        return parse(Utf8.decode(TorchNative.bestDevice()));
    }

    /**
     * Every device that can be used now, the CPU first.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static List<Device> available() {
        NativeLoader.torch();
        return new PackReader(TorchNative.availableDevices()).strings().stream().map(Device::parse).toList();
    }

    /**
     * {@code torch.cuda.device_count()}.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static int cudaCount() {
        return count("cuda");
    }

    /**
     * How many devices of a type can be used now: 0 when the type is unknown, not built into libtorch or without
     * hardware.
     *
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public static int count(String type) {
        NativeLoader.torch();
        return TorchNative.deviceCount(Utf8.encode(type));
    }

    /**
     * Whether this device can be used now. The CPU and meta always can, and are not looked up.
     *
     * @throws NativeLibraryException when libtorch is needed for the answer and cannot be loaded
     */
    public boolean isAvailable() {
        return isCpu() || isMeta() || count(type) > Math.max(index, 0);
    }

    /**
     * Bytes of a device's memory.
     *
     * @param free free for this process, as the backend sees it
     * @param total all
     */
    public record Memory(long free, long total) {
    }

    /**
     * {@code torch.accelerator.get_memory_info}: empty where the backend does not tell, as for the CPU.
     *
     * @throws DeviceUnavailableException when this device is not there
     * @throws NativeLibraryException when libtorch cannot be loaded
     */
    public Optional<Memory> memory() {
        NativeLoader.torch();
        long[] bytes = TorchNative.deviceMemory(Utf8.encode(toString()));
        return bytes == null ? Optional.empty() : Optional.of(new Memory(bytes[0], bytes[1]));
    }

    /** Whether this is the CPU, with or without an index. */
    public boolean isCpu() {
        return type.equals("cpu");
    }

    /** Whether this is the device without memory. */
    public boolean isMeta() {
        return type.equals("meta");
    }

    /** {@code "cuda:1"}, or {@code "cuda"} without an index. */
    @Override
    public String toString() {
        return index < 0 ? type : type + ":" + index;
    }
}
