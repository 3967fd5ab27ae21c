"""Content around the tensors: containers, keys, numbers, text, numpy values and objects of unknown classes."""

import argparse
import collections
import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid

import numpy
import torch


class Recipe:
    """A class that only this folder knows: a reader must keep it as data."""

    def __init__(self, name, weight):
        self.name = name
        self.weight = weight
        self.steps = [1, 2, {"inner": weight[:1]}]


class Flavour(enum.Enum):
    SWEET = 1
    SOUR = "sour"


Point = collections.namedtuple("Point", "x y")


def numbers():
    edges = [
        0,
        1,
        -1,
        255,
        256,
        65535,
        65536,
        2**31 - 1,
        2**31,
        -(2**31),
        -(2**31) - 1,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        2**63,
        2**64 - 1,
        2**64,
        -(2**64),
        2**200,
        -(2**200) + 1,
        2**2047,
    ]
    return {
        "ints": edges,
        "bools": [True, False],
        "none": None,
        "floats": [
            0.0,
            -0.0,
            1.5,
            0.1,
            float("inf"),
            float("-inf"),
            float("nan"),
            5e-324,
            1.7976931348623157e308,
        ],
        "complex": [1 + 2j, complex("nan"), complex(-0.0, float("inf"))],
    }


def strings(long=False):
    return {
        "empty": "",
        "ascii": "plain",
        "accent": "café",
        "cjk": "重み",
        "emoji": "🚀🔥",
        "nul": "a\0b",
        "surrogate": "a\ud800b",
        "surrogates": "\udcff\ud83d",
        "newline": "a\nb\tc\\",
        "long": "é" * (70000 if long else 300),
    }


def bytes_values(long=False):
    return {
        "empty": b"",
        "all": bytes(range(256)),
        "tail": b"\x00\x7f\x80\xff",
        "long": b"\xff" * (70000 if long else 300),
        "array": bytearray(b"\x00\x01\xfe"),
        "empty_array": bytearray(),
    }


def containers():
    tensor = torch.arange(3.0)
    shared = [1, tensor]
    ordered = collections.OrderedDict([("z", 1), ("a", torch.ones(2))])
    ordered._metadata = collections.OrderedDict([("", {"version": 1}), ("sub", {"version": 2})])
    return {
        "list": [],
        "tuple": (),
        "dict": {},
        "set": {1, "a", (2, 3)},
        "empty_set": set(),
        "frozen": frozenset([1, 2]),
        "ordered": ordered,
        "empty_ordered": collections.OrderedDict(),
        "default": collections.defaultdict(list, {"k": [1, tensor]}),
        "counter": collections.Counter("abracadabra"),
        "shared": [shared, shared, (shared,)],
        "one": (tensor,),
        "two": (1, tensor),
        "three": (1, 2, tensor),
        "four": (tensor, 2, 3, 4),
        "deep": [[[[[[tensor]]]]]],
        "size": torch.Size([1, 2, 3]),
        "device": [torch.device("cpu"), torch.device("cuda", 1), torch.device("meta")],
        "dtypes": [torch.float32, torch.bfloat16, torch.bool, torch.uint16, torch.float8_e4m3fn, torch.qint8],
        "deque": collections.deque([1, 2, 3], maxlen=5),
    }


def keys():
    """Dict keys of every kind that checkpoints hold, with a tensor below each."""
    kinds = [
        0,
        1,
        -5,
        2**40,
        2**70,
        (1, 2),
        (1, "a"),
        ((), (3,)),
        None,
        True,
        1.5,
        1e20,
        -0.0,
        float("inf"),
        torch.float32,
        "",
        "a.b",
        ".",
        "0",
        "tab\t",
        "naïve",
        "重み",
        "🚀",
        "nul\0nul",
    ]
    out = [
        (key, torch.full((2,), float(i))) for i, key in enumerate(kinds) if key not in (1, 0) or key is True
    ]
    return {
        "keys": dict(out),
        "ints": {0: torch.zeros(1), 1: torch.ones(1), 10: torch.zeros(2)},
        "bytes_key": {b"k\xff": 1},
    }


def objects():
    return {
        "namespace": argparse.Namespace(lr=0.1, weight=torch.ones(2), names=["a"]),
        "simple": types.SimpleNamespace(a=1, b="x"),
        "path": pathlib.PurePosixPath("/data/models/a.pt"),
        "windows": pathlib.PureWindowsPath("C:/x/y"),
        "datetime": datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
        "zoned": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
        "date": datetime.date(2020, 1, 2),
        "delta": datetime.timedelta(days=1, seconds=2, microseconds=3),
        "enum": [Flavour.SWEET, Flavour.SOUR],
        "decimal": decimal.Decimal("1.50"),
        "fraction": fractions.Fraction(1, 3),
        "uuid": uuid.UUID(int=2**100),
        "slice": slice(1, None, 2),
        "range": range(0, 10, 3),
        "point": Point(1.5, "y"),
        "recipe": Recipe("cake", torch.arange(4.0)),
        "function": torch.relu,
        "builtin": len,
        "type": int,
        "class": collections.OrderedDict,
        "after": torch.tensor([9.0]),
    }


def numpy_values():
    grid = numpy.arange(6).reshape(2, 3)
    out = {
        "scalars": [
            numpy.float32(1.5),
            numpy.float64(-0.0),
            numpy.int64(-7),
            numpy.uint8(255),
            numpy.bool_(True),
            numpy.float16(0.1),
            numpy.complex64(1 - 2j),
        ],
        "fortran": numpy.asfortranarray(grid.astype("f8")),
        "transposed": grid.T,
        "zero_dim": numpy.array(3.5),
        "empty": numpy.zeros((0, 3), dtype="f4"),
        "strided": numpy.arange(10)[::3],
        "big": grid.astype(">f4"),
        "big_int": grid.astype(">i8"),
        "dtype": [numpy.dtype("f4"), numpy.dtype(">i2"), numpy.dtype("bool")],
    }
    for code in ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"):
        out[code] = grid.astype(code)
    return out


def numpy_text():
    return {"text": numpy.array(["ab", "çde"]), "bytes": numpy.array([b"ab", b"c"]), "tensor": torch.ones(3)}


def exotic_numpy():
    return {
        "date": numpy.array(["2020-01-01"], dtype="M8[D]"),
        "objects": numpy.array([1, "x", None], dtype=object),
        "fields": numpy.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
        "void": numpy.zeros(2, dtype="V3"),
        "tensor": torch.ones(3),
    }


def everything():
    return {
        "numbers": numbers(),
        "strings": strings(),
        "bytes": bytes_values(),
        "containers": containers(),
        "keys": keys(),
        "tensor": torch.arange(3.0),
    }


def recursive():
    loop = [1, torch.ones(1)]
    loop.append(loop)
    table = {"t": torch.ones(1)}
    table["self"] = table
    return loop, table


def add(catalogue):
    save = lambda name, obj, **more: catalogue.save("nesting", name, obj, **more)
    save("nest_strings", strings(long=True))
    save("nest_bytes", bytes_values(long=True))
    for part in (numbers, containers, keys, objects, numpy_values, numpy_text):
        save("nest_" + part.__name__, part())
    case = save(
        "nest_exotic_numpy",
        exotic_numpy(),
        note="arrays that are not plain memory: only the tensor must load",
    )
    case["content"] = None
    for protocol in (2, 3, 4, 5):
        save("nest_everything_protocol_%d" % protocol, everything(), protocol=protocol)
    for protocol in (3, 4, 5):
        save("nest_numpy_protocol_%d" % protocol, numpy_values(), protocol=protocol)
        save("nest_objects_protocol_%d" % protocol, objects(), protocol=protocol)
    save("nest_bare_list", [torch.ones(1), torch.zeros(1)])
    save("nest_bare_tuple", (torch.ones(1), "x"))
    for name, value in (
        ("none", None),
        ("int", 5),
        ("str", "text"),
        ("empty_dict", {}),
        ("ordered", collections.OrderedDict()),
    ):
        save("nest_bare_" + name, value)
    save(
        "nest_names",
        {
            name: torch.full((1,), float(i))
            for i, name in enumerate(
                [
                    "weight",
                    "a.b.c",
                    "",
                    " ",
                    "é",
                    "e\u0301",
                    "重み",
                    "🚀",
                    "nul\0",
                    'quote"\\',
                    "x" * 1000,
                    "line\nbreak",
                ]
            )
        },
    )
    save("nest_surrogate_name", {"a\ud800": torch.ones(1), "plain": torch.ones(2)})
    save("nest_dict_2500", {"k%04d" % i: i for i in range(2500)})
    save("nest_dict_2501_tensors", {"layer.%d.weight" % i: torch.tensor([float(i)]) for i in range(2501)})
    save("nest_list_1001", list(range(1001)))
    save("nest_list_1001_tensors", [torch.tensor(i) for i in range(1001)])
    save("nest_depth_300", nested(300))
    loop, table = recursive()
    refused = {"refused": "unsupported", "why": "a container that contains itself"}
    save("nest_recursive_list", loop, ours=refused)
    save("nest_recursive_dict", table, ours=refused)
    typed = torch.storage.TypedStorage([1.0, 2.0], dtype=torch.float32)
    save(
        "nest_bare_storages",
        {
            "typed": typed,
            "untyped": torch.arange(3, dtype=torch.uint8).untyped_storage(),
            "tensor": torch.ones(1),
        },
        ours={"accept": ["unsupported"]},
    )


def nested(depth):
    value = torch.ones(2)
    for _ in range(depth):
        value = [value]
    return value
