"""The formats beside torch.save's zip: legacy files, TorchScript, safetensors."""

import json
import struct

import safetensors.torch
import torch
from torch import nn

from . import models, nesting, observe, views
from .dtypes import PLAIN, UNTYPED, every_dtype, name_of, random_bits
from .layouts import per_channel, sparse


class Scripted(nn.Module):
    """A scriptable model with tied weights, buffers and attributes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.register_buffer("scale", torch.tensor(2.0))
        self.register_buffer("scratch", torch.ones(3), persistent=False)
        self.threshold: float = 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(self.norm(self.conv(x)).flatten(1))) * self.scale


def add_legacy(catalogue):
    save = lambda name, obj, **more: catalogue.save("legacy", "legacy_" + name, obj, legacy=True, **more)
    save("golden", {"a": torch.arange(3.0)})
    save(
        "dtypes",
        {name: t for name, t in every_dtype().items() if name not in {name_of(u) for u in UNTYPED}},
        note="torch.load cannot read the untyped kinds that its own legacy writer wrote",
    )
    save("strided", views.strided())
    save("sharing", views.sharing())
    save("attributes", views.attributes())
    save("everything", nesting.everything())
    save("everything_protocol_4", nesting.everything(), protocol=4)
    save("training", models.training_checkpoint())
    save("whole_model", models.TiedNet())
    save("sparse", {**sparse(), **per_channel()})
    save("empty", {"a": torch.empty(0), "b": torch.empty(0, 3, dtype=torch.int64), "c": torch.ones(1)})
    save(
        "cuda",
        {"w": torch.arange(4.0), "n": torch.tensor(3)},
        tags="cuda:0",
        load=[("none",), ("str", "cpu"), ("dict", {"cuda:0": "cpu"}), ("callable", {"*": "cpu"})],
    )


def add_torchscript(catalogue):
    torch.manual_seed(30)
    model = Scripted().eval()
    scripts = {
        "script": torch.jit.script(model),
        "trace": torch.jit.trace(model, torch.ones(1, 1, 4, 4)),
        "half": torch.jit.script(nn.Sequential(nn.Linear(3, 2), nn.ReLU()).half()),
        "frozen": torch.jit.freeze(torch.jit.script(model)),
    }
    for name, script in scripts.items():
        script_case(catalogue, "torchscript", "torchscript_" + name, script)


def script_case(catalogue, group, name, script):
    """A case of torch.jit.save; what is in it torch.jit.load says."""
    path = catalogue.path(group, name)
    torch.jit.save(script, str(path))
    loaded = torch.jit.load(str(path))
    state = loaded.state_dict(keep_vars=True)
    rows = observe.describe_tensors([(tuple(k.split(".")), v) for k, v in state.items()], lambda tensor: "cpu")
    parameters = dict(loaded.named_parameters(remove_duplicate=False))
    buffers = dict(loaded.named_buffers(remove_duplicate=False))
    for row in rows:
        row["is_parameter"], row["is_buffer"] = row["key"] in parameters, row["key"] in buffers
    return catalogue.add(
        {
            "name": path.stem,
            "group": group,
            "file": catalogue.relative(path),
            "format": "torchscript",
            "protocol": 2,
            "locations": ["cpu"] if rows else [],
            "tensors": rows,
            "content": None,
            "load": [],
        }
    )


def safetensors_case(catalogue, name, data, group="safetensors"):
    """A case from the bytes of a safetensors file; the tensors in the order of the header."""
    path = catalogue.path(group, "safetensors_" + name, "safetensors")
    path.write_bytes(data)
    loaded = safetensors.torch.load_file(str(path))
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", None)
    # The format names no location; load_file puts everything on the CPU.
    rows = observe.describe_tensors([((key,), loaded[key]) for key in header], lambda tensor: "cpu")
    return catalogue.add(
        {
            "name": path.stem,
            "group": group,
            "file": catalogue.relative(path),
            "format": "safetensors",
            "protocol": None,
            "locations": ["cpu"] if rows else [],
            "tensors": rows,
            "content": None,
            "metadata": metadata,
            "load": [],
        }
    )


def by_hand(header, payload, pad=0):
    encoded = json.dumps(header).encode() + b" " * pad
    return struct.pack("<Q", len(encoded)) + encoded + payload


def add_safetensors(catalogue):
    writable = [
        t
        for t in PLAIN + UNTYPED
        if not name_of(t).startswith("bits") and t not in (torch.complex128, torch.complex32)
    ]
    types = {name_of(t): random_bits(t, 12, i).view(3, 4) for i, t in enumerate(writable)}
    add = lambda name, data: safetensors_case(catalogue, name, data)
    add("dtypes", safetensors.torch.save(types))
    add("metadata", safetensors.torch.save({"w": torch.arange(3.0)}, {"format": "pt"}))
    add(
        "shapes",
        safetensors.torch.save(
            {
                "scalar": torch.tensor(2.5),
                "empty": torch.empty(0, 3),
                "seven": torch.arange(128.0).view(*[2] * 7),
            }
        ),
    )
    add(
        "names",
        safetensors.torch.save(
            {
                n: torch.ones(1) * i
                for i, n in enumerate(["", "a.b", "重み", "🚀", 'quote"\\', "nul\0", "x" * 500])
            }
        ),
    )
    torch.manual_seed(31)
    add("model", safetensors.torch.save(models.small().state_dict()))
    add("empty", by_hand({}, b""))
    add(
        "unaligned",
        by_hand(
            {
                "__metadata__": {"format": "pt", "naïve": "🚀", "empty": ""},
                "a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
                "b": {"dtype": "F32", "shape": [2], "data_offsets": [3, 11]},
            },
            bytes(range(11)),
            pad=3,
        ),
    )
    add(
        "out_of_order",
        by_hand(
            {
                "last": {"dtype": "I16", "shape": [1], "data_offsets": [4, 6]},
                "first": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
            },
            bytes(range(6)),
        ),
    )


def add(catalogue):
    add_legacy(catalogue)
    add_torchscript(catalogue)
    add_safetensors(catalogue)
