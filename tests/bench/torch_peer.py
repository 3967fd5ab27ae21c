"""The Python side of `torchferry bench`: loads files when it is told to, and says how long each load took.

First says, on its own, one line: `ready PYTHON TORCH THREADS`, or `error TEXT` where PyTorch is not there. Then reads
one JSON request a line on standard input and answers each with one line on standard output, `error TEXT` where it fails:

    {"path": FILE, "mmap": bool, "weights_only": bool, "device": D, "times": N}   torch.load
    {"paths": [FILE...], "safetensors": true, "device": D, "times": N}            safetensors' load_file of all
        `ns TENSORS DURATION...`: N durations in nanoseconds
    {"paths": [FILE...], "times": N}            torch.load in a thread for each file, N times
        `ns TENSORS DURATION`: the time of all divided by the number of loads
    {"make": "legacy" | "whole_model" | "torchscript", "path": FILE, "out": FILE}   writes the weights in another way
        `made`

Only the load itself is inside the clock, with the end of the device's work; what it gave is dropped after the clock has
stopped. Ends at the end of its input.
"""
import gc
import json
import sys
import threading
import time


def answer(*words):
    print(" ".join(str(word) for word in words).replace("\n", " "), flush=True)


def tensors_in(torch, loaded):
    values = loaded.state_dict().values() if isinstance(loaded, torch.nn.Module) else loaded.values()
    return sum(isinstance(value, torch.Tensor) for value in values)


def settle(torch, device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def timed(torch, request, load):
    durations, tensors, device = [], 0, request["device"]
    for _ in range(request["times"]):
        gc.collect()
        settle(torch, device)
        start = time.perf_counter_ns()
        loaded = load()
        settle(torch, device)
        durations.append(time.perf_counter_ns() - start)
        tensors = sum(tensors_in(torch, each) for each in loaded)
        del loaded
    answer("ns", tensors, *durations)


def load_torch(torch, request):
    timed(
        torch,
        request,
        lambda: [
            torch.load(
                request["path"],
                map_location=request["device"],
                mmap=request["mmap"],
                weights_only=request["weights_only"],
            )
        ],
    )


def load_safetensors(torch, request):
    from safetensors.torch import load_file

    timed(torch, request, lambda: [load_file(path, device=request["device"]) for path in request["paths"]])


def load_in_threads(torch, request):
    paths, times = request["paths"], request["times"]
    failures = []

    def work(path):
        try:
            for _ in range(times):
                torch.load(path, map_location="cpu")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    gc.collect()
    start = time.perf_counter_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    duration = time.perf_counter_ns() - start
    if failures:
        raise failures[0]
    answer("ns", 0, duration // (len(paths) * times))


def module_of(torch, weights):
    """Modules in modules as the names say, with the weights as parameters and buffers."""
    root = torch.nn.Module()
    for name, value in weights.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module._modules[part]
        if value.is_floating_point() and not leaf.startswith("running_"):
            module.register_parameter(leaf, torch.nn.Parameter(value))
        else:
            module.register_buffer(leaf, value)
    return root


def make(torch, request):
    weights = torch.load(request["path"], map_location="cpu")
    what, out = request["make"], request["out"]
    if what == "legacy":
        torch.save(weights, out, _use_new_zipfile_serialization=False)
    elif what == "whole_model":
        torch.save(module_of(torch, weights), out)
    elif what == "torchscript":
        torch.jit.script(module_of(torch, weights)).save(out)
    else:
        raise ValueError("cannot make " + what)
    answer("made")


def handler(request):
    if "make" in request:
        return make
    if request.get("safetensors"):
        return load_safetensors
    return load_in_threads if "paths" in request else load_torch


def main():
    try:
        import torch
    except Exception as error:  # a broken installation raises more than ImportError
        answer("error", type(error).__name__, error)
        return
    answer("ready", sys.version.split()[0], torch.__version__, torch.get_num_threads())
    for line in sys.stdin:
        try:
            request = json.loads(line)
            handler(request)(torch, request)
        except Exception as error:
            answer("error", type(error).__name__, error)


if __name__ == "__main__":
    main()
