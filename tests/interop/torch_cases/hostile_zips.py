"""Files whose container is damaged, ambiguous or no checkpoint at all, and what a reader must answer."""

import bz2
import gzip
import io
import lzma
import pathlib
import pickle
import struct
import tempfile
import zipfile
import zlib

import numpy
import torch
import torch.package

from . import writing
from .containers import golden
from .rawzip import Entry, build, read

LYING = 0x7FFFFFF0


def add(catalogue):
    for part in (add_not_checkpoints, add_truncated, add_flipped, add_directories, add_names, add_records):
        part(catalogue)


def refuser(catalogue, group):
    return lambda name, data, expect, *accept, **more: catalogue.refuse(
        group, name, data, expect, accept=accept, **more
    )


def others(data):
    """Files of other programs, what a download can give instead of a file, and packed checkpoints."""
    arrays, packed = io.BytesIO(), io.BytesIO()
    numpy.savez(arrays, w=numpy.arange(3.0))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("model.pth", data)
    records = read(data)
    locked = bytearray(build([Entry(name, content) for name, content in records]))
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # as if every record were encrypted
        at = locked.find(signature)
        while at >= 0:
            locked[at + flags] |= 1
            at = locked.find(signature, at + 4)
    return {
        "gzip": (gzip.compress(data, mtime=0), "gzip: unpack it first"),
        "bzip2": (bz2.compress(data), "bzip2: unpack it first"),
        "xz": (lzma.compress(data), "xz: unpack it first"),
        "zstd": (b"\x28\xb5\x2f\xfd" + bytes(range(100)), "zstd: unpack it first"),
        "encrypted": (bytes(locked), "encrypted"),
        "packed": (packed.getvalue(), "a zip archive with a checkpoint in it"),
        "npz": (arrays.getvalue(), "NumPy arrays (.npz)"),
        "npy": (b"\x93NUMPY\x01\x00" + bytes(200), "a NumPy array"),
        "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "HDF5"),
        "gguf": (b"GGUF\3\0\0\0" + bytes(100), "GGUF"),
        "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x06" + b"2.13.0" + b":\x10" + bytes(16), "an ONNX model"),
        "html": (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML or XML page"),
        "json": (b'{"weights": [1, 2, 3]}', "a JSON file, but no index of shards"),
        "lfs": (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
            "a Git LFS pointer instead of the file: run `git lfs pull`",
        ),
        "elf": (b"\x7fELF\2\1\1" + bytes(200), "a program or shared library"),
        "pickle": (pickle.dumps({"a": 1}, protocol=2), "a pickle that torch.save did not write"),
    }


def programs():
    """Files of PyTorch that hold programs."""
    model = torch.nn.Linear(2, 3)
    exported, package = io.BytesIO(), io.BytesIO()
    torch.export.save(torch.export.export(model, (torch.ones(1, 2),)), exported)
    with torch.package.PackageExporter(package) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", model)
    script = torch.jit.script(model)
    with tempfile.TemporaryDirectory() as folder:
        torch.jit.save_jit_module_to_flatbuffer(script, folder + "/model.ff")
        flat = pathlib.Path(folder, "model.ff").read_bytes()
    compiled = [
        Entry("model/archive_format", b"pt2"),
        Entry("model/archive_version", b"0"),
        Entry("model/data/aotinductor/model/model.wrapper.so", b"\x7fELF"),
    ]
    return {
        "pt2": (exported.getvalue(), "a torch.export archive (pt2)"),
        "pt2_package": (build(compiled), "a package compiled by AOTInductor (pt2)"),
        "package": (package.getvalue(), "a torch.package archive"),
        "flatbuffer": (flat, "a TorchScript flatbuffer for mobile"),
        "executorch": (b"\x30\0\0\0ET12" + bytes(100), "an ExecuTorch program"),
        "preview": (b"PYTORCH1" + bytes(100), "a PyTorch preview release"),
        "old_torchscript": (
            build([Entry("m/model.json", b"{}"), Entry("m/version", b"1\n")]),
            "a TorchScript archive of PyTorch 1.3 or older",
        ),
    }


def add_not_checkpoints(catalogue):
    bad = refuser(catalogue, "not_checkpoints")
    data = golden()
    damaged = {
        "empty": b"",
        "one_byte": b"P",
        "text": b"this is not a checkpoint, it is a sentence\n" * 20,
        "zeros": bytes(4096),
        "junk_in_front": b"#!/bin/sh\n" + data,
        "text_pickle": b"(dp0\nS'a'\np1\nI1\ns.",
    }
    for name, content in damaged.items():
        bad("not_" + name, content, "corrupt", says="not a PyTorch checkpoint: ")
    for name, (content, says) in others(data).items():
        bad("not_" + name, content, "unsupported", says=says)
    records = [Entry("archive/readme.txt", b"hello")]
    bad("not_zip_of_something", build(records), "corrupt", "unsupported")
    bad("not_empty_zip", build([]), "corrupt", "unsupported")
    for name, (content, says) in programs().items():
        bad("not_" + name, content, "unsupported", says=says)
    bad("not_there", None, "io")
    folder = catalogue.path("not_checkpoints", "not_a_file", "d")
    folder.mkdir(exist_ok=True)
    catalogue.refusals.append(
        {
            "name": "not_a_file",
            "group": "not_checkpoints",
            "file": catalogue.relative(folder),
            "expect": "io",
            "accept": ["io", "unsupported"],
            "note": "a directory",
        }
    )


def add_truncated(catalogue):
    bad = refuser(catalogue, "truncated")
    data = writing.saved_bytes({"w": torch.arange(1000.0), "b": torch.ones(3)})
    for name, length in (
        ("last_byte", len(data) - 1),
        ("end_record", len(data) - 22),
        ("directory", len(data) - 300),
        ("payload", 2000),
        ("pickle", 100),
        ("header", 20),
        ("signature", 4),
        ("half", len(data) // 2),
    ):
        bad("truncated_" + name, data[:length], "corrupt")
    bad("truncated_front", data[64:], "corrupt", "unsupported")
    bad("truncated_middle", data[:1000] + data[1064:], "corrupt")
    bad("truncated_filled_with_zeros", data[: len(data) // 2] + bytes(len(data) - len(data) // 2), "corrupt")


def flipped(data, position, mask=0xFF):
    out = bytearray(data)
    out[position] ^= mask
    return bytes(out)


def add_flipped(catalogue):
    bad = refuser(catalogue, "flipped")
    data = golden()
    directory, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    bad(
        "flipped_payload",
        flipped(data, 706),
        "fine",
        verify="corrupt",
        record="archive/data/0",
        note="PyTorch never checks the sum; with verify_checksums this must be found",
    )
    bad("flipped_opcode", flipped(data, data.index(b"}q\0"), 0x80), "corrupt", record="archive/data.pkl")
    bad(
        "flipped_name_in_pickle",
        data.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_x2"),
        "fine",
        "corrupt",
        note="the tensor has become an unknown object",
    )
    bad(
        "flipped_storage_class",
        data.replace(b"FloatStorage", b"FloatStorag3"),
        "corrupt",
        "unsupported",
        record="archive/data.pkl",
    )
    bad("flipped_directory_signature", flipped(data, directory), "corrupt")
    bad("flipped_directory_name", flipped(data, directory + 46 + 10), "corrupt")
    bad("flipped_directory_offset", flipped(data, directory + 42, 1), "corrupt")
    bad("flipped_local_signature", flipped(data, 598), "corrupt", record="archive/data/0")
    bad("flipped_local_name", flipped(data, 598 + 30 + 8), "corrupt", record="archive/data/0")
    bad("flipped_local_name_length", flipped(data, 598 + 26, 1), "corrupt", record="archive/data/0")
    bad("flipped_end_signature", flipped(data, end), "corrupt")
    bad("flipped_end_count", flipped(data, end + 10, 1), "corrupt")
    bad("flipped_end_offset", flipped(data, end + 17), "corrupt")
    bad("flipped_zip64_end", flipped(data, data.rindex(b"PK\6\6")), "corrupt")
    bad("flipped_zip64_locator", flipped(data, data.rindex(b"PK\6\7") + 8), "corrupt")


def records(**changes):
    """The golden file's records as plain entries; `changes` by the record's last name, None to leave it out."""
    out = []
    for name, payload in read(golden()):
        change = changes.get(name.split("/", 1)[1].replace("/", "_").replace(".", "_"), {})
        if change is not None:
            out.append(Entry(**{"name": name, "payload": payload, **change}))
    return out


def add_directories(catalogue):
    """Headers that lie."""
    bad = refuser(catalogue, "lying_zips")
    entry = lambda **central: records(data_0={"central": central})
    bad("lying_size", build(entry(csize=LYING, usize=LYING)), "corrupt", record="archive/data/0")
    bad("lying_offset", build(entry(offset=LYING)), "corrupt", record="archive/data/0")
    bad("lying_offset_inside", build(entry(offset=10)), "corrupt", record="archive/data/0")
    bad("lying_sizes_differ", build(entry(usize=16)), "corrupt", record="archive/data/0")
    bad("lying_zip64_missing", build(entry(csize=0xFFFFFFFF, usize=0xFFFFFFFF)), "corrupt", record="archive/data/0")
    bad("lying_overlap", build(records(version={"central": {"offset": 0}})), "corrupt")
    bad(
        "lying_into_directory",
        build(records(_data_serialization_id={"central": {"csize": 400, "usize": 400}})),
        "corrupt",
    )
    bad(
        "lying_local_name",
        build(records(data_0={"local": {"name": "archive/data/1"}})),
        "corrupt",
        record="archive/data/0",
    )
    bad("lying_local_method", build(records(data_0={"local": {"method": 8}})), "corrupt", record="archive/data/0")
    bad(
        "lying_local_sizes",
        build(records(data_0={"local": {"csize": 8, "usize": 8}})),
        "corrupt",
        "fine",
        record="archive/data/0",
    )
    bad(
        "lying_encrypted",
        build(records(data_0={"central": {"flags": 0x0801}, "local": {"flags": 0x0801}})),
        "unsupported",
        "corrupt",
        record="archive/data/0",
    )
    bad(
        "lying_encrypted_local",
        build(records(data_0={"local": {"flags": 0x0801}})),
        "unsupported",
        "corrupt",
        record="archive/data/0",
    )
    bad(
        "lying_method_12",
        build(records(data_0={"central": {"method": 12}, "local": {"method": 12}})),
        "unsupported",
        "corrupt",
        record="archive/data/0",
    )
    bad("lying_disk", build(entry(disk=3)), "unsupported", "corrupt")
    for name, field, value in (
        ("count", "entries", 65000),
        ("count_low", "entries", 3),
        ("directory_size", "size", LYING),
        ("directory_size_low", "size", 50),
        ("directory_offset", "offset", LYING),
        ("directory_offset_low", "offset", 5),
    ):
        fields = {field: value, "total": value} if field == "entries" else {field: value}
        bad("lying_end_" + name, build(records(), end=fields), "corrupt")
    bad("lying_end_disk", build(records(), end={"disk": 1}), "unsupported", "corrupt")
    bad(
        "lying_deflate_size",
        build(records(data_0={"deflate": True, "central": {"usize": LYING}})),
        "corrupt",
        "limit",
        record="archive/data/0",
    )
    bad(
        "lying_deflate_stream",
        build(records(data_0={"central": {"method": 8}, "local": {"method": 8}})),
        "fine",
        read=["corrupt"],
        record="archive/data/0",
        note="the stream is broken, which shows when the storage is read",
    )
    bad(
        "lying_pickle_stream",
        build(records(data_pkl={"central": {"method": 8}, "local": {"method": 8}})),
        "corrupt",
        record="archive/data.pkl",
    )


def add_names(catalogue):
    bad = refuser(catalogue, "record_names")
    with_more = lambda *entries: build(records() + list(entries))
    bad("names_duplicate", with_more(Entry("archive/data/0", bytes(12))), "corrupt")
    bad("names_duplicate_pickle", with_more(Entry("archive/data.pkl", b"\x80\x02}.")), "corrupt")
    bad("names_differ_by_case", with_more(Entry("archive/DATA.PKL", b"\x80\x02}.")), "corrupt")
    bad(
        "names_upper_case",
        build([Entry(n.replace("data.pkl", "DATA.PKL"), p) for n, p in read(golden())]),
        "corrupt",
    )
    bad("names_outside_root", with_more(Entry("__MACOSX/data/0", b"x")), "corrupt")
    bad("names_absolute", with_more(Entry("/etc/passwd", b"x")), "corrupt")
    bad("names_parent", with_more(Entry("../evil", b"x")), "corrupt")
    bad(
        "names_parent_below_root",
        with_more(Entry("archive/../../evil", b"x")),
        "corrupt",
        "fine",
        note="the name is never used as a path",
    )
    bad("names_no_root", build([Entry(n.split("/", 1)[1], p) for n, p in read(golden())]), "corrupt")
    bad("names_empty", with_more(Entry("", b"x")), "corrupt")
    bad("names_nul", with_more(Entry("archive/data/0\0.txt", b"x")), "corrupt")
    bad("names_not_utf8", with_more(Entry(b"archive/\xff\xfe", b"x")), "corrupt", "fine")
    bad("names_backslash", with_more(Entry("archive\\data\\0", b"x")), "corrupt")
    bad(
        "names_directory_entry",
        with_more(Entry("archive/data/", b"")),
        "fine",
        note="as other zip tools write",
    )


def add_records(catalogue):
    bad = refuser(catalogue, "records")
    change = lambda **payloads: build(
        records(**{k: v if v is None else {"payload": v} for k, v in payloads.items()})
    )
    bad("record_no_pickle", change(data_pkl=None), "corrupt", "unsupported")
    bad("record_no_storage", change(data_0=None), "corrupt", record="archive/data.pkl")
    bad("record_no_version", change(version=None), "corrupt", "fine")
    for name, content, expect in (
        ("0", b"0\n", "unsupported"),
        ("11", b"11\n", "unsupported"),
        ("abc", b"abc", "corrupt"),
        ("empty", b"", "corrupt"),
        ("huge", b"9" * 30, "corrupt"),
        ("minus", b"-3\n", "corrupt"),
    ):
        bad(
            "record_version_" + name,
            change(version=content),
            expect,
            "corrupt" if expect == "unsupported" else "unsupported",
            record="archive/version",
        )
    for name, content in (("x", b"x"), ("empty", b""), ("newline", b"little\n"), ("long", b"big" * 1000)):
        bad("record_byteorder_" + name, change(byteorder=content), "corrupt", record="archive/byteorder")
    bad("record_short", change(data_0=bytes(8)), "corrupt")
    bad("record_long", change(data_0=bytes(16)), "corrupt")
    bad("record_empty", change(data_0=b""), "corrupt")
    bad("record_short_by_one", change(data_0=bytes(11)), "corrupt")
    bad("record_empty_pickle", change(data_pkl=b""), "corrupt", record="archive/data.pkl")
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeezed.compress(bytes(1 << 22)) + squeezed.flush()
    bad(
        "record_deflate_bomb",
        build(
            records(
                data_pkl={
                    "payload": bomb,
                    "central": {"method": 8, "usize": 0xFFFFFFF0},
                    "local": {"method": 8, "usize": 0xFFFFFFF0},
                }
            )
        ),
        "limit",
        "corrupt",
    )
    big = struct.pack("<Q", 1 << 40)
    bad("record_serialization_id_junk", change(_data_serialization_id=big), "fine")
