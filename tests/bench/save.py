#!/usr/bin/env python3
"""Time to save a state dict: Torchferry against torch.save and safetensors.torch.save_file, in turns.

usage: save.py [--mib N] [--rounds N] [--folder DIR] -- JAVA [OPTION ...]

JAVA and its options start a JVM that finds Torchferry's classes (and its libtorch), for example
    java -Dtorchferry.native.dir=... -cp java/cli/target/torchferry.jar

The dict has 100 float32 tensors of N/100 MiB each. Every round saves it once with each; what Python wrote is brought to the
disk (fsync) inside the time, because Torchferry always does that. Prints medians in ms, GB/s and, for each format, the
ratio of Torchferry's median to the other's.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import safetensors.torch
import torch


def synced(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def timed(work, path):
    start = time.perf_counter_ns()
    work(path)
    synced(path)
    return time.perf_counter_ns() - start


def main():
    if "--" not in sys.argv:
        sys.exit(__doc__)
    at = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args(sys.argv[1:at])
    elements = options.mib * (1 << 20) // 4 // 100
    weights = {"layer.%d.weight" % i: torch.randn(elements) for i in range(100)}
    nbytes = 400 * elements
    times = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source = os.path.join(folder, "source.pt")
        torch.save(weights, source)
        bench = str(pathlib.Path(__file__).resolve().with_name("SaveBench.java"))
        jvm = subprocess.Popen(
            sys.argv[at + 1 :] + [bench, source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def ours(kind, path):
            jvm.stdin.write("%s %s\n" % (kind, path))
            jvm.stdin.flush()
            return int(jvm.stdout.readline())

        out = os.path.join(folder, "out")
        contenders = {
            "torch.save": lambda: timed(lambda path: torch.save(weights, path), out),
            "Torchferry zip": lambda: ours("ZIP", out),
            "safetensors.save_file": lambda: timed(lambda path: safetensors.torch.save_file(weights, path), out),
            "Torchferry safetensors": lambda: ours("SAFETENSORS", out),
        }
        for number in range(options.rounds + 1):  # the first round warms up
            for name, save in contenders.items():
                taken = save()
                os.unlink(out)
                if number:
                    times.setdefault(name, []).append(taken)
        jvm.stdin.close()
        jvm.wait()
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for name, median in medians.items():
        print("%-24s %8.1f ms  %5.2f GB/s" % (name, median / 1e6, nbytes / median))
    print("zip: %.2f of torch.save's time" % (medians["Torchferry zip"] / medians["torch.save"]))
    print("safetensors: %.2f of save_file's time" % (medians["Torchferry safetensors"] / medians["safetensors.save_file"]))


if __name__ == "__main__":
    main()
