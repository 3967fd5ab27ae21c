#!/usr/bin/env python3
"""Prints what `torchferry bench --save FILE` wrote as the Markdown tables of docs/performance.md.

usage: tables.py FILE
"""
import json
import sys


def time(nanos):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanos >= size:
            return "%.3g %s" % (nanos / size, unit)
    return "%d ns" % nanos


def size(count):
    if count < 0:
        return "–"
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return "%.3g %s" % (count / step, unit)
    return "%d" % count


def section(report):
    title = report["name"] + (", not in memory" if report["cold"] else "")
    if report["threads"]:
        title += ", %d thread%s" % (report["threads"], "" if report["threads"] == 1 else "s")
    print("\n**%s**, %s\n" % (title, size(report["bytes"])))
    print("| | median | p10 | p90 | × C++ core | memory | read |\n|---|--:|--:|--:|--:|--:|--:|")
    for one in report["contenders"]:
        if "median_ns" not in one:
            print("| %s | not measured: %s | | | | | |" % (one["label"], one["skipped"]))
            continue
        times = one["times_core"]
        print("| %s | %s | %s | %s | %s | %s | %s |" % (
            one["label"], time(one["median_ns"]), time(one["p10_ns"]), time(one["p90_ns"]),
            "–" if isinstance(times, str) else "%.3g" % times, size(one["peak_memory_bytes"]), size(one["read_bytes"])))


def main():
    with open(sys.argv[1]) as file:
        report = json.load(file)
    machine, versions = report["machine"], report["versions"]
    print("%s, %s, %d processors, %s; Java %s, libtorch %s, Python %s with PyTorch %s; %d rounds; load average %s" % (
        machine["platform"], machine["processor"], machine["processors"], size(machine["memory"]), versions["java"],
        versions["libtorch"], versions["python"], versions["torch"], report["rounds"], report["load_average_before"]))
    for one in report["scenarios"]:
        section(one)
    print("\n| scenario | ratio of medians | at least | measured | |\n|---|---|--:|--:|---|")
    for one in report["targets"]:
        measured = one["measured"]
        print("| %s | %s | %.3g | %s | %s |" % (one["scenario"], one["what"], one["at_least"],
              "–" if isinstance(measured, str) else "%.3g" % measured, one["verdict"]))


if __name__ == "__main__":
    main()
