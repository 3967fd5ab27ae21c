package io.torchferry;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * The native methods that need libtorch. {@code dict} is a {@code torchferry::StateDict*}, {@code module} a
 * {@code torchferry::ScriptModule*} (in {@code nativeModule…} a {@code torchferry::NativeModule*}, in
 * {@code aoti…} a {@code torchferry::AotiModule*}), {@code checkpoint} a {@code torchferry::Checkpoint*} made by
 * {@link FormatNative}. Methods that give a dict give a new one that the caller owns. Call
 * {@link NativeLoader#torch} first.
 */
final class TorchNative {

    private TorchNative() {
    }

    static native byte[] buildId();

    /** Of the libtorch that runs, and of the one built with. */
    static native byte[] libtorchVersions();

    static native int deviceCount(byte[] type);

    static native byte[] bestDevice();

    static native byte[] availableDevices();

    /** Free and total bytes of a device's memory; null where the backend does not tell. */
    static native long[] deviceMemory(byte[] device);

    /** limit, allocated, in use, peak, pinned. */
    static native long[] stagingStatus();

    static native void stagingLimit(long bytes);

    static native void stagingRelease();

    /** limit, kept. */
    static native long[] hostMemoryStatus();

    static native void hostMemoryLimit(long bytes);

    static native void hostMemoryRelease();

    static native byte[] plan(long checkpoint, byte[] path, int[] selected, byte[] options) throws IOException;

    static native long load(long checkpoint, byte[] path, int[] selected, byte[] options, long progress)
            throws IOException;

    static native void destroy(long dict);

    /** Gives a {@code torchferry::StreamingLoad*}, which is {@code stream} below. */
    static native long streamStart(long checkpoint, byte[] path, int[] selected, byte[] options, long progress)
            throws IOException;

    static native void streamDestroy(long stream);

    static native boolean streamContains(long stream, byte[] key);

    /** A dict of one. */
    static native long streamAwait(long stream, byte[] key, boolean inStream) throws IOException;

    /** 0: there are no more. */
    static native long streamNext(long stream) throws IOException;

    static native long streamFinish(long stream) throws IOException;

    static native void streamCancel(long stream);

    /** {@code torchferry::share}. */
    static native long share(long dict);

    /** {@code torchferry::take}. */
    static native long take(long handle);

    static native byte[] index(long dict);

    static native byte[] report(long dict);

    static native byte[] versions(long dict);

    static native byte[] bytesByDevice(long dict);

    /** {@code keys} and {@code versions}: null to keep them. */
    static native long select(long dict, int[] indices, byte[] keys, byte[] versions);

    /** {@code names}: one for each item. */
    static native long renamed(long dict, byte[] names);

    static native long withPrefixStripped(long dict, byte[] prefix);

    static native long submodule(long dict, byte[] module);

    static native long to(long dict, byte[] device);

    static native long cast(long dict, int dtype);

    /** {@code content}: {@link ContentPacking}; {@code options}: {@link SaveOptions#packed}. Gives the report. */
    static native byte[] save(byte[] content, long[] dicts, long[] checkpoints, byte[] path, byte[] options,
            long progress) throws IOException;

    static native long of(long[] dicts, int[] indices, byte[] keys);

    /** An uninitialised CPU tensor. */
    static native long empty(int dtype, long[] shape);

    static native long tensorTo(long dict, int index, byte[] device);

    static native long tensorCast(long dict, int index, int dtype);

    static native long contiguous(long dict, int index);

    /**
     * The tensor on the CPU, contiguous, dense, conj and neg resolved: in {@code dtype}, or in its own with -1
     * (quantized: the integers).
     */
    static native long elements(long dict, int index, int dtype);

    /** Like {@link FormatNative#bytes}, writable; {@link FormatNative#unpin} gives the pin back. */
    static native ByteBuffer buffer(long dict, int index, long offset, int length, long[] pin);

    static native long moduleLoad(byte[] path, byte[] name, byte[] device) throws IOException;

    static native long moduleLoadMemory(ByteBuffer memory, byte[] name, byte[] device) throws IOException;

    static native void moduleDestroy(long module);

    static native long moduleStateDict(long module);

    static native byte[] moduleLoadStateDict(long module, long dict, boolean strict, boolean assign);

    static native byte[] moduleCheckStateDict(long module, long dict, boolean strict, boolean assign);

    static native void moduleTo(long module, byte[] device);

    static native void moduleTrain(long module, boolean on);

    static native boolean moduleIsTraining(long module);

    static native byte[] moduleTypeName(long module);

    /** {@code method} null: forward. Each result is a dict of one. */
    static native long[] moduleRun(long module, byte[] method, long[] dicts, int[] indices);

    /** {@code arguments}: {@link IValues#packed}, whose tensors the others name. Gives what {@link IValues#read} reads. */
    static native byte[] moduleCall(long module, byte[] method, byte[] arguments, long[] dicts, int[] indices);

    static native void moduleSave(long module, byte[] path) throws IOException;

    static native void moduleCast(long module, int dtype);

    /** A new module. */
    static native long moduleFreeze(long module);

    static native byte[] nativeModuleNames();

    static native byte[] nativeModuleLoadLibrary(byte[] path) throws IOException;

    static native long nativeModuleCreate(byte[] name, byte[] config, byte[] device);

    static native void nativeModuleDestroy(long module);

    static native long nativeModuleStateDict(long module);

    static native byte[] nativeModuleLoadStateDict(long module, long dict, boolean strict, boolean assign);

    static native byte[] nativeModuleCheckStateDict(long module, long dict, boolean strict, boolean assign);

    static native void nativeModuleTo(long module, byte[] device);

    static native void nativeModuleCast(long module, int dtype);

    static native void nativeModuleTrain(long module, boolean on);

    static native boolean nativeModuleIsTraining(long module);

    /** Each result is a dict of one. */
    static native long[] nativeModuleForward(long module, long[] dicts, int[] indices);

    /** {@code folder}: where the package is unpacked. */
    static native long aotiLoad(byte[] path, byte[] name, byte[] device, byte[] model, int runners, byte[] folder)
            throws IOException;

    static native long aotiLoadMemory(ByteBuffer memory, byte[] name, byte[] device, byte[] model, int runners,
            byte[] folder) throws IOException;

    static native void aotiDestroy(long module);

    /** A list: keys and values in turns. */
    static native byte[] aotiMetadata(long module);

    static native long aotiStateDict(long module);

    static native byte[] aotiLoadStateDict(long module, long dict, boolean strict, boolean assign);

    static native byte[] aotiCheckStateDict(long module, long dict, boolean strict, boolean assign);

    /** Each result is a dict of one. */
    static native long[] aotiForward(long module, long[] dicts, int[] indices);

    /** Three times for each iteration: index, tensors, destroy. {@code way} is the ordinal of Benchmarks.Way. */
    static native long[] benchLoad(byte[] path, int iterations, int way, int threads) throws IOException;

    static native long[] benchBareTensors(byte[] path, int iterations) throws IOException;

    static native long[] benchCopyMemory(long bytes, int iterations, int threads, boolean fresh);

    static native long[] benchReadFile(byte[] path, int iterations, int threads) throws IOException;

    static native long[] benchStock(byte[] path, int iterations) throws IOException;
}
