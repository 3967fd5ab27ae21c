#!/usr/bin/env python3
"""Writes the small files that unit tests read where no Python is, and fixtures.json, which says what is in them.

usage: make_fixtures.py [OUT_DIR]       (default: tests/java/core/resources/fixtures)

The files are committed. Run this again only to change them: with the same PyTorch the bytes come out the same.
"""

import hashlib
import pathlib
import re
import sys
import warnings

sys.dont_write_bytecode = True

import safetensors.torch
import torch
from torch import nn

from torch_cases import (
    containers,
    dtypes,
    formats,
    hostile_archive,
    hostile_code,
    hostile_machine,
    layouts,
    locations,
    models,
    nesting,
    old_files,
    opcodes,
    rawzip,
    several_files,
    views,
    writing,
)
from torch_cases.catalogue import Catalogue

FOLDER = "tests/java/core/resources/fixtures"
GOLDEN_PICKLE = (  # {"a": torch.arange(3.)} as PyTorch 2 pickles it, 162 bytes
    "80027d7100580100000061710163746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a710228285807000000"
    "73746f72616765710363746f7263680a466c6f617453746f726167650a7104580100000030710558030000006370757106"
    "4b0374710751"
    "4b004b038571084b0185710989"
    "63636f6c6c656374696f6e730a4f726465726564446963740a710a2952710b74710c52710d732e"
)
GOLDEN_SIZE = 1577


def golden():
    """The golden file, checked byte for byte where the format leaves no choice."""
    data = containers.golden()
    records = dict(rawzip.read(data))
    if records["archive/data.pkl"].hex() != GOLDEN_PICKLE or len(data) != GOLDEN_SIZE:
        sys.exit("torch.save writes the golden file differently in PyTorch %s" % torch.__version__)
    if data[704:716] != bytes.fromhex("000000000000803f00000040"):
        sys.exit("the golden file's payload is not at 704")
    return data


def legacy(obj):
    """A legacy file with one storage; its key, an address, is replaced by one that stays the same."""
    data = writing.saved_bytes(obj, legacy=True)
    key = re.search(rb"X(....)(\d{8,20})q", data, re.DOTALL).group(2)
    return data.replace(key, b"94000000000000000000"[: len(key)])


def whole_model():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    model[0].register_buffer("cache", torch.zeros(5), persistent=False)
    model[0].register_buffer("unset", None)
    model.tied = model[0]  # a child under two names
    return model


def add_sound(catalogue):
    save = lambda name, obj, **more: catalogue.save("fixtures", name, obj, **more)
    catalogue.write("fixtures", "golden_zip", golden())
    catalogue.write("fixtures", "golden_legacy", legacy(containers.GOLDEN), format="legacy")
    catalogue.write("fixtures", "tar", old_files.tar_bytes(old_files.tar_training()), format="tar")
    old_files.add_legacy(catalogue, "fixtures")
    torch.manual_seed(5)
    formats.script_case(catalogue, "fixtures", "torchscript", torch.jit.script(formats.Scripted().eval()))
    metadata = {"format": "pt"}
    data = safetensors.torch.save({"w": torch.arange(6.0).view(2, 3), "b": torch.ones(2).half()}, metadata)
    formats.safetensors_case(catalogue, "small", data, "fixtures")
    save("dtypes", dtypes.every_dtype())
    save("views", views.strided())
    save("sharing", views.sharing())
    save("lazy_bits", views.lazy_bits())
    save("attributes", views.attributes())
    save("misaligned", containers.content(), alignment=1)
    save("aligned_4096", containers.GOLDEN, alignment=4096)
    data = writing.saved_bytes(containers.content())
    catalogue.write("fixtures", "deflated", writing.rezip(data, deflate=True))
    catalogue.write("fixtures", "big_endian", containers.big_endian_case(dtypes.PLAIN)[1])
    weight = torch.arange(6.0).view(2, 3)
    save(
        "cuda0",
        {"weight": weight, "tied": weight, "flat": weight.view(-1), "bias": torch.ones(2)},
        tags="cuda:0",
        load=locations.forms("cuda:0"),
    )
    obj, tags = locations.mixed()
    save("cuda_mixed", obj, tags=tags, load=locations.MIXED_FORMS)
    for part in (
        nesting.keys,
        nesting.numbers,
        nesting.strings,
        nesting.bytes_values,
        nesting.containers,
        nesting.numpy_values,
    ):
        save("nested_" + part.__name__, part())
    save("protocol_4", nesting.everything(), protocol=4)
    save("protocol_5", nesting.everything(), protocol=5)
    save(
        "opaque",
        {"namespace": nesting.objects()["namespace"], "path": nesting.objects()["path"], "t": torch.ones(1)},
    )
    torch.manual_seed(4)
    save("training", models.training_checkpoint())
    save("whole_model", whole_model())
    save(
        "quantized",
        {
            **layouts.quantized(),
            **{"channel_" + k: v for k, v in layouts.per_channel().items()},
            **layouts.packed(),
        },
    )
    save("sparse", layouts.sparse())
    save("nested_tensor", layouts.nested())
    save("meta", layouts.meta())


def add_refused(catalogue):
    bad = lambda name, data, expect, *accept, **more: catalogue.refuse(
        "refused", name, data, expect, accept=accept, **more
    )
    data = containers.golden()
    bad("truncated", data[:-1], "corrupt")
    bad("flipped_payload", data[:706] + b"\xff" + data[707:], "fine", verify="corrupt", record="archive/data/0")
    entries = [rawzip.Entry(name, payload) for name, payload in rawzip.read(data)]
    bad("duplicate_record", rawzip.build(entries + [rawzip.Entry("archive/data/0", bytes(12))]), "corrupt")
    bad(
        "short_record",
        writing.rezip(data, lambda name, payload: payload[:8] if name == "data/0" else payload),
        "corrupt",
    )
    bad("not_a_checkpoint", b"this is not a checkpoint\n", "corrupt", "unsupported")
    attack = opcodes.dict_of(
        (opcodes.text("a"), opcodes.call("os.system", opcodes.text(hostile_code.COMMAND))),
        (opcodes.text("t"), opcodes.tensor()),
    )
    bad(
        "os_system",
        hostile_archive.archive(opcodes.pickled(attack)),
        "fine",
        weights_only="unsafe",
        globals=["os.system"],
    )
    bad(
        "view_out_of_bounds",
        hostile_archive.archive(opcodes.one(opcodes.tensor(offset=1))),
        "corrupt",
        record="archive/data.pkl",
    )
    bad(
        "memo_missing",
        hostile_archive.archive(opcodes.PROTO + opcodes.get(9) + opcodes.STOP),
        "corrupt",
        record="archive/data.pkl",
    )
    bad("billion_tensors", hostile_archive.archive(hostile_machine.laughs(opcodes.tensor(), 12)), "limit")
    loop, _ = nesting.recursive()
    bad("list_in_itself", writing.saved_bytes(loop), "unsupported")


def main():
    if len(sys.argv) > 2 or sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = (
        pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path(__file__).resolve().parents[2] / FOLDER
    )
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(7)
    catalogue = Catalogue(folder, flat=True)
    add_sound(catalogue)
    several_files.add_to_fixtures(catalogue)
    add_refused(catalogue)
    summary = catalogue.finish("fixtures.json", messages=locations.messages())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    print(
        "%s, %d bytes in all, sha256 %s" % (summary, sum(path.stat().st_size for path in files), digest[:16])
    )


if __name__ == "__main__":
    main()
