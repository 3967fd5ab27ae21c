#!/usr/bin/env python3
"""Writes the first inputs of the fuzzing targets, made from the committed checkpoints that real PyTorch saved.

usage: seeds.py OUT_DIR [TARGET…]       (a folder for each target; needs nothing but Python)
"""

import io
import pathlib
import struct
import sys
import zipfile
import zlib

sys.dont_write_bytecode = True

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "java/core/resources/fixtures"
LARGEST = 1 << 15
LEGACY_MAGIC = 15


def indexes():
    """(target, name, index) of the checkpoints of several files."""
    for folder in sorted(FIXTURES.glob("*.d")):
        for path in folder.iterdir():
            if path.name.endswith(".index.json"):
                yield "shards", folder.stem, path.read_bytes()
            elif path.name == ".metadata":
                yield "metadata", folder.stem, path.read_bytes()


def files():
    for path in sorted(path for path in FIXTURES.iterdir() if path.is_file()):
        data = path.read_bytes()
        if path.suffix != ".json" and len(data) <= LARGEST:
            yield path.stem, data


def records(data):
    """(name without the root, content) of an archive; nothing where zipfile does not take it for one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(name.split("/", 1)[-1], archive.read(name)) for name in archive.namelist()]
    except Exception:  # some are broken on purpose
        return []


def raw_deflate(data, level):
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def sources_of_script(content):
    return b"\n".join(data for name, data in content if name.startswith("code/") and name.endswith(".py"))


def headers():
    yield b"{}"
    yield b'{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    yield (
        b'{"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},"a":{"dtype":"I64","shape":[],'
        b'"data_offsets":[0,8]},"e":{"dtype":"F8_E4M3","shape":[0,4],"data_offsets":[14,14]}}'
    )
    yield (
        b'{"q":{"dtype":"F4","shape":[2,4],"data_offsets":[0,4]},'
        b'"r":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[4,7]}}'
    )


def seeds():
    """(target, name, input)"""
    yield from indexes()
    for name, data in files():
        for target in ("checkpoint", "sources"):
            yield target, name, data
        content = records(data)
        if data.startswith(b"PK"):
            yield "zip", name, data
        if data[257:262] == b"ustar":
            yield "tar", name, data.rstrip(b"\0") + bytes(1024 - len(data.rstrip(b"\0")) % 512)
        if data[:2] == b"\x80\x02" and data[2:4] == b"\x8a\x0a":
            yield "legacy", name, data[LEGACY_MAGIC:]
            yield "pickle", name, data[LEGACY_MAGIC:]
        pickle = dict(content).get("data.pkl", b"")
        if not pickle or len(pickle) > LARGEST:
            continue
        source = sources_of_script(content)[:0xFFFF]
        yield "pickle", name, pickle
        yield "script", name, struct.pack("<H", len(source)) + source + pickle
        for flags in (0, 1, 2, 8):
            yield "content", "%s_%d" % (name, flags), bytes([flags]) + pickle
        for level in (0, 1, 9):
            yield "inflate", "%s_%d" % (name, level), struct.pack("<H", len(pickle)) + raw_deflate(pickle, level)
    for number, header in enumerate(headers()):
        payload = max([int(end) for end in header.replace(b"]", b",").split(b",") if end.isdigit()] + [0])
        yield "safetensors", "header_%d" % number, struct.pack("<H", payload) + header
        yield "json", "header_%d" % number, header
        whole = struct.pack("<Q", len(header)) + header + bytes(payload)
        yield "checkpoint", "safetensors_%d" % number, whole
        yield "sources", "safetensors_%d" % number, whole
    yield "json", "values", rb'[{"a":[1,-2.5e+3,true,false,null]},"\u00e9\ud83d\ude80\n",{"":{}},18446744073709551615]'


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, wanted = pathlib.Path(sys.argv[1]), sys.argv[2:]
    for target, name, data in seeds():
        if wanted and target not in wanted:
            continue
        (folder / target).mkdir(parents=True, exist_ok=True)
        (folder / target / ("seed_" + name)).write_bytes(data)


if __name__ == "__main__":
    main()
