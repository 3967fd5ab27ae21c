"""PyTorch's side of tests/device/run.

    peer.py make FOLDER GIB...            writes GIB.pt and, where safetensors is there, GIB.safetensors
    peer.py measure DEVICE FILE...        medians of loading them onto DEVICE, as one JSON object
"""
import json
import os
import statistics
import sys
import time

import torch

ROUNDS = int(os.environ.get("TORCHFERRY_BENCH_ROUNDS", "7"))


def safetensors_torch():
    try:
        import safetensors.torch
        return safetensors.torch
    except ImportError:
        return None


def make(folder, sizes):
    for size in sizes:
        # Shapes of a transformer: a few large matrices for each pair of small vectors.
        wanted, taken, tensors = int(float(size) * 2**30), 0, {}
        while taken < wanted:
            for name, shape in (("weight", (2048, 2048)), ("scale", (2048,)), ("bias", (2048,))):
                tensor = torch.randn(shape, dtype=torch.float16)
                tensors[f"layers.{len(tensors)}.{name}"] = tensor
                taken += tensor.nbytes
        torch.save(tensors, os.path.join(folder, f"{size}.pt"))
        if safetensors_torch():
            safetensors_torch().save_file(tensors, os.path.join(folder, f"{size}.safetensors"))


def measure(device, files):
    kind = device.split(":")[0]
    module = getattr(torch, kind, None)
    synchronize = getattr(module, "synchronize", lambda: None)
    peers = {
        "torch.load": lambda file: torch.load(file, map_location=device),
        "torch.load(mmap=True)": lambda file: torch.load(file, map_location=device, mmap=True),
    }
    result = {"device": device, "torch": torch.__version__, "rounds": ROUNDS, "files": []}
    for file in files:
        ways = peers
        if file.endswith(".safetensors"):
            ways = {"safetensors.load_file": lambda file: safetensors_torch().load_file(file, device=device)}
        medians = {}
        for name, load in ways.items():
            times = []
            for round in range(-1, ROUNDS):
                synchronize()
                start = time.perf_counter()
                loaded = load(file)
                synchronize()
                if round >= 0:
                    times.append(time.perf_counter() - start)
                del loaded
            medians[name] = statistics.median(times)
        result["files"].append({"file": os.path.basename(file), "bytes": os.path.getsize(file), "median_s": medians})
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3:])
    else:
        measure(sys.argv[2], sys.argv[3:])
