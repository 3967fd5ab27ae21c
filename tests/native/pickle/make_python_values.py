"""Writes python_values.h: what real Python, numpy and PyTorch pickle ordinary values to.

    python make_python_values.py > python_values.h

Written with Python 3.11, numpy 2.4 and PyTorch 2.13. The pickler is the one in C, which torch.save uses too. It
ends a list of 1001 with a batch of one, where Python's own pickler ends it with APPEND: that list has both forms.
"""
import argparse
import collections
import datetime
import decimal
import fractions
import http
import inspect
import io
import pathlib
import pickle
import types
import uuid
import zipfile

import numpy
import torch


class Keyworded:
    def __getnewargs_ex__(self):
        return (1,), {"strict": True}


def recursive_list():
    value = [1]
    value.append(value)
    return value


def recursive_dict():
    value = {}
    value["self"] = value
    return value


def recursive_tuple():
    value = ([],)
    value[0].append(value)
    return value


def state_dict():
    value = collections.OrderedDict(weight=1, bias=2)
    value._metadata = collections.OrderedDict({"": {"version": 1}})
    return value


structured = numpy.dtype([("x", "<f4"), ("y", ">i2")])

VALUES = {
    "none": None,
    "booleans": (True, False),
    "integers": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, -(2**63)],
    "unsigned": [2**63, 2**64 - 1],
    "power200": 2**200,
    "negative200": -(2**200),
    "reals": [1.5, -0.0, float("inf"), 1e-310],
    "strings": ["", "\u00e9", "\U0001f525", "a\x00b"],
    "lone_surrogate": "x\ud800y",
    "bytes_empty": b"",
    "bytes_some": b"\x00\x7f\x80\xff",
    "bytes_ascii": b"plain",
    "bytearray_empty": bytearray(),
    "bytearray_some": bytearray(b"\x00\xff"),
    "set": {7},
    "set_empty": set(),
    "frozenset": frozenset([7]),
    "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "nested": {"a": [1, {"b": ()}], 2: None},
    "ordered_dict": state_dict(),
    "counter": collections.Counter("aab"),
    "defaultdict": collections.defaultdict(list, {"k": [1]}),
    "deque": collections.deque([1, 2], maxlen=3),
    "complex": 1 + 2j,
    "namespace": argparse.Namespace(lr=0.5),
    "simple_namespace": types.SimpleNamespace(lr=0.5),
    "path": pathlib.PurePosixPath("/a/b"),
    "enum": http.HTTPStatus.OK,
    "namedtuple": inspect.Arguments([], None, None),
    "slice_and_range": (slice(1, 2), range(0, 6, 2)),
    "datetime": datetime.datetime(2024, 1, 2, 3, 4, 5),
    "timedelta": datetime.timedelta(1, 2, 3),
    "decimal": decimal.Decimal("1.5"),
    "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=5),
    "function": torch.relu,
    "keyworded": Keyworded(),
    "dtype_and_device": (torch.float32, torch.device("cuda", 1), torch.Size([2, 3])),
    "numpy_scalar": numpy.float32(1.5),
    "numpy_array": numpy.array([[1, 2]], dtype="<i2"),
    "numpy_objects": numpy.array([None, 1], dtype=object),
    "numpy_structured": structured,
    "recursive_list": recursive_list(),
    "recursive_dict": recursive_dict(),
    "recursive_tuple": recursive_tuple(),
    "shared": [[], [], []],
}
VALUES["shared"][2] = VALUES["shared"][0]


def checkpoint():
    """The data.pkl of a checkpoint with tied weights, a parameter, metadata and an optimizer's state."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    weights = model.state_dict()
    weights["tied"] = weights["0.weight"]
    content = {"model": weights, "param": model[0].bias, "epoch": 3,
               "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0, 1]}]}
    file = io.BytesIO()
    torch.save(content, file)
    return zipfile.ZipFile(file).read("archive/data.pkl")


def literal(data):
    text = data.hex()
    lines = [text[i:i + 100] for i in range(0, len(text), 100)] or [""]
    return "\n     ".join(f'"{line}"' for line in lines)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def print_long(name, data):
    print(f"inline constexpr LongValue k{name} = {{{len(data)}, 0x{fnv1a(data):016x}u}};\n")


def main():
    print("#pragma once\n\n// Written by make_python_values.py, which says how.\n")
    print("#include <cstddef>\n#include <cstdint>\n\nnamespace torchferry::pickle::testing {\n")
    print("struct PythonValue {\n  const char* name;\n  int protocol;\n  const char* hex;\n};\n")
    print("inline constexpr PythonValue kPythonValues[] = {")
    for name, value in VALUES.items():
        for protocol in range(2, 6):
            print(f'    {{"{name}", {protocol},\n     {literal(pickle.dumps(value, protocol))}}},')
    print("};\n")
    print(f"inline constexpr const char* kCheckpoint =\n     {literal(checkpoint())};\n")
    print("/// Values whose pickles are too long to stand here: length and FNV-1a hash in protocol 2.")
    print("struct LongValue {\n  std::size_t size;\n  std::uint64_t hash;\n};\n")
    for name, value in (("Dict2500", {i: str(i) for i in range(2500)}), ("List1001", list(range(1001)))):
        print_long(name, pickle.dumps(value, 2))
    print_long("List1001ByPython", pickle._dumps(list(range(1001)), 2))
    print("}  // namespace torchferry::pickle::testing")


main()
