"""The Python side of `torchferry bench`: loads files with torch.load when it is told to, and says how long each took.

First says, on its own, one line: `ready PYTHON TORCH THREADS`, or `error TEXT` where PyTorch is not there. Then reads
one JSON request a line on standard input,

    {"path": FILE, "mmap": bool, "weights_only": bool, "times": N}

and answers each with one line on standard output: `ns TENSORS DURATION...` (N durations in nanoseconds) or
`error TEXT`. Ends at the end of its input.

Only torch.load itself is inside the clock; what it gave is dropped after the clock has stopped.
"""
import gc
import json
import sys
import time


def answer(*words):
    print(" ".join(str(word) for word in words).replace("\n", " "), flush=True)


def load(torch, request):
    durations, tensors = [], 0
    for _ in range(request["times"]):
        gc.collect()
        start = time.perf_counter_ns()
        loaded = torch.load(request["path"], map_location="cpu", mmap=request["mmap"],
                            weights_only=request["weights_only"])
        durations.append(time.perf_counter_ns() - start)
        tensors = sum(isinstance(value, torch.Tensor) for value in loaded.values())
        del loaded
    answer("ns", tensors, *durations)


def main():
    try:
        import torch
    except Exception as error:  # a broken installation raises more than ImportError
        answer("error", type(error).__name__, error)
        return
    answer("ready", sys.version.split()[0], torch.__version__, torch.get_num_threads())
    for line in sys.stdin:
        try:
            load(torch, json.loads(line))
        except Exception as error:
            answer("error", type(error).__name__, error)


if __name__ == "__main__":
    main()
