#!/usr/bin/env python3
"""From the start of a JVM to its end, with nothing in between, an answer about a file, and a loaded file.

    tests/bench/startup.py [RUNS]      after ./torchferry was built; wall clock of whole processes, medians
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
HELLO = "public class Hello { public static void main(String[] a) { System.out.println(\"hello\"); } }"
OPTIONS = ["-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto", "-XX:TieredStopAtLevel=1"]


def timed(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    file = os.path.join(TOP, "examples", "data", "gpu.pth")
    launcher = os.path.join(TOP, "torchferry")
    subprocess.run([launcher, "inspect", file], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "Hello.java"), "w", encoding="utf-8") as source:
            source.write(HELLO)
        subprocess.run(["javac", "-d", folder, source.name], check=True)
        contenders = {
            "bare JVM": ["java", *OPTIONS, "-cp", folder, "Hello"],
            "torchferry inspect": [launcher, "inspect", file],
            "torchferry inspect --json": [launcher, "inspect", "--json", file],
            "torchferry verify": [launcher, "verify", file],
            "torchferry load (libtorch)": [launcher, "load", file, "--map-location", "cpu"],
        }
        times = {name: [] for name in contenders}
        # In turns, so that what slows the machine down for a while slows all of them.
        for _ in range(runs):
            for name, command in contenders.items():
                times[name].append(timed(command))
    bare = statistics.median(times["bare JVM"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:28} {median:7.0f} ms   best {min(values):5.0f}   {median / bare:5.2f}x")


if __name__ == "__main__":
    main()
