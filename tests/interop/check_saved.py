#!/usr/bin/env python3
"""Loads checkpoints that Torchferry saved with real PyTorch and safetensors, and compares them with what they should hold.

usage: check_saved.py FILE EXPECTED_JSON [FILE EXPECTED_JSON ...]

EXPECTED_JSON is a file with {"tensors": [{"key": ..., ...}, ...]}, in order; each tensor is compared in the fields that
are given, which are those of torch_cases (dtype, shape, stride, sha256, group, ...). Beside "tensors" may stand
"versions" ({prefix: version} of the `_metadata`, or null where there must be none), "locations" (the tags in order of
first use), "type" (the class of the dict) and "libtorch": true for a file that libtorch's C++ pickle_load must read too.
With "content" (a typed value as in a case, or null where only the tensors count) the file may hold anything, and its
tensors are those of a depth-first walk; "weights_only": false says that PyTorch's allow-list does not have all of it.
With "metadata" FILE is a safetensors file, or the index of shards of either kind, without the checks of zip files; where
"same_bytes" is true, safetensors' own writer must write the same file from what it has read.

Each file is loaded with torch.load's defaults, weights_only=True, mmap=True and weights_only=False, PyTorch's own
arithmetic of storage offsets is checked, and its sums are checked by Python's zipfile. With libtorch every tensor
stands for itself, so groups and objects are not compared there.

Prints one line of JSON for each file: {"file", "problems": [...], "tensors": [...], "locations", "versions", "type"};
problems go to standard error too. The exit status is 1 when there are any.
"""

import json
import os
import pathlib
import sys
import warnings
import zipfile

sys.dont_write_bytecode = True
os.environ["TORCH_SERIALIZATION_DEBUG"] = "1"  # torch.load checks its arithmetic of storage offsets

import torch

import safetensors.torch

from torch_cases import encoding, observe

WAYS = {
    "defaults": {},
    "weights_only": {"weights_only": True},
    "mmap": {"weights_only": True, "mmap": True},
    "unrestricted": {"weights_only": False},
}


def describe(loaded, location_of=lambda tensor: None, nested=False):
    if nested:
        rows = observe.describe_tensors(list(observe.leaves(loaded)), location_of)
        return {"tensors": rows, "content": encoding.Encoder(2).encode(loaded)}
    if not isinstance(loaded, dict):
        raise TypeError("a dict was expected, not %s" % type(loaded).__name__)
    metadata = getattr(loaded, "_metadata", None)
    return {
        "type": type(loaded).__name__,
        "versions": (
            None if metadata is None else {prefix: value["version"] for prefix, value in metadata.items()}
        ),
        "tensors": observe.describe_tensors([((key,), tensor) for key, tensor in loaded.items()], location_of),
    }


def load(path, **options):
    """One way of loading; locations are only seen by a function, which mmap and the defaults do without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, **options)


def observed(path, nested, options):
    locations = observe.Locations()
    out = describe(load(path, map_location=locations, **options), locations.of, nested)
    tags = [row["location"] for row in out["tensors"]]
    out["locations"] = observe.distinct(tags + locations.order if nested else tags)
    return out


def by_libtorch(path):
    return describe(torch._C._pickle_load_obj(pathlib.Path(path).read_bytes()))


NOTHING = object()


def by_safetensors(path):
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        loaded = {key: file.get_tensor(key) for key in file.keys()}
    return metadata, loaded


def shards(path):
    """What the shards of an index hold together, in the order of the index."""
    folder = pathlib.Path(path).parent
    weight_map = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["weight_map"]
    loaded = {}
    for name in dict.fromkeys(weight_map.values()):
        shard = folder / name
        found = by_safetensors(shard)[1] if shard.suffix == ".safetensors" else load(shard, weights_only=True)
        wrong = set(found) ^ {key for key, file in weight_map.items() if file == name}
        if wrong:
            raise ValueError("%s and the index differ about %s" % (name, sorted(wrong)))
        loaded.update(found)
    return {key: loaded[key] for key in weight_map}


def check_safetensors(path, expected):
    """(what was loaded, problems) of a safetensors file or an index"""
    problems = []
    if path.endswith(".index.json"):
        metadata, loaded = expected["metadata"], shards(path)
    else:
        metadata, loaded = by_safetensors(path)
    found = dict(describe(loaded), metadata=metadata)
    order = {row["key"]: at for at, row in enumerate(expected["tensors"])}
    found["tensors"].sort(key=lambda row: order.get(row["key"], -1))
    problems.extend(differences(found, expected))
    if expected.get("same_bytes"):
        again = safetensors.torch.save(loaded, metadata)
        if again != pathlib.Path(path).read_bytes():
            problems.append("safetensors writes %d other bytes" % len(again))
    return found, problems


def differences(actual, expected, left_out=()):
    for name in ("versions", "locations", "type", "content", "metadata"):
        if expected.get(name, NOTHING) is not NOTHING and name in actual and name not in left_out and actual[name] != expected[name]:
            yield "%s are %r, not %r" % (name, actual[name], expected[name])
    keys = [row["key"] for row in actual["tensors"]]
    wanted = [row["key"] for row in expected["tensors"]]
    if keys != wanted:
        yield "keys are %r, not %r" % (keys, wanted)
        return
    for have, want in zip(actual["tensors"], expected["tensors"]):
        for field, value in want.items():
            if field not in left_out and have.get(field) != value:
                yield "%s of %r is %r, not %r" % (field, want["key"], have.get(field), value)


def zip_problem(path):
    """The first record with a wrong sum; a sum of 0 means that there is none."""
    with zipfile.ZipFile(path) as archive:
        if not any(record.CRC for record in archive.infolist()):
            return None
        return archive.testzip()


NOT_BY_LIBTORCH = ("location", "locations", "group", "object", "versions", "type", "storage_nbytes")


def check(path, expected):
    """(what was loaded, problems)"""
    if "metadata" in expected:
        return check_safetensors(path, expected)
    problems = []
    nested = "content" in expected
    if nested and expected["content"] is None:
        del expected["content"]

    def compare(way, read, left_out=()):
        try:
            found = read()
            problems.extend("%s: %s" % (way, what) for what in differences(found, expected, left_out))
            return found
        except Exception as error:  # whatever a reader raises is what this script is to find
            problems.append("%s: %s: %s" % (way, type(error).__name__, error))
            return {}

    unrestricted = {} if expected.get("weights_only", True) else WAYS["unrestricted"]
    found = compare("locations", lambda: observed(path, nested, unrestricted))
    for way, options in WAYS.items():
        if options.get("weights_only", True) and not expected.get("weights_only", True):
            continue
        compare(
            way,
            lambda: describe(load(path, map_location="cpu", **options), nested=nested),
            left_out=("location", "locations"),
        )
    if expected.get("libtorch"):
        compare("libtorch", lambda: by_libtorch(path), NOT_BY_LIBTORCH)
    broken = zip_problem(path)
    if broken is not None:
        problems.append("zipfile: the checksum of %s is wrong" % broken)
    return found, problems


def main():
    names = sys.argv[1:]
    if not names or len(names) % 2 or names[0].startswith("-"):
        sys.exit(__doc__)
    failed = False
    for path, expected in zip(names[::2], names[1::2]):
        found, problems = check(path, json.loads(pathlib.Path(expected).read_text(encoding="utf-8")))
        failed = failed or bool(problems)
        print(json.dumps({"file": path, "problems": problems, **found}))
        for problem in problems:
            print("%s: %s" % (path, problem), file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
