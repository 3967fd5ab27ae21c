/**
 * PyTorch checkpoints in the JVM: what {@code torch.load(path, map_location=...)} and {@code load_state_dict} do in
 * Python, with every byte of every tensor staying in native memory.
 *
 * <pre>{@code
 * try (Checkpoint file = Checkpoint.open(Path.of("model_gpu.pth"));
 *         StateDict weights = file.stateDict(MapLocation.to(Device.bestAvailable()), "model")) {
 *     model.loadStateDict(weights).eval();
 * }
 * }</pre>
 *
 * <p><b>What is closed.</b> {@link io.torchferry.Checkpoint}, {@link io.torchferry.StateDict} and
 * {@link io.torchferry.ScriptModule} own native memory and are closed by who opened them. A
 * {@link io.torchferry.Tensor} is a view that keeps its owner reachable. Closing one owner never invalidates another:
 * storages are reference counted. Use after close is {@link java.lang.IllegalStateException}, and so is closing an
 * owner while another thread is inside one of its calls; neither can crash the JVM.
 *
 * <p><b>Two native libraries.</b> {@code Checkpoint}, its values, raw bytes and digests need a small library without
 * libtorch. Everything on devices needs libtorch, which is looked for on first use; see
 * {@link io.torchferry.Torchferry}.
 *
 * <p><b>Threads.</b> Every object may be used from any thread. Only {@link io.torchferry.ScriptModule} can be changed
 * after it was made; see there.
 *
 * <p>Arguments must not be {@code null} unless a method says so.
 */
package io.torchferry;
