"""Ordinary Python values as typed JSON (the `content` of a case). ../README.md lists the forms.

A value of a class that has no form of its own becomes {"t": "object"} with exactly what its pickle holds:
the global, the arguments, the state, the appended items and the set pairs.
"""

import collections
import struct
import types

import numpy
import torch

from .tensors import torch_name

DICTS = {
    dict: "dict",
    collections.OrderedDict: "OrderedDict",
    collections.defaultdict: "defaultdict",
    collections.Counter: "Counter",
}


def bits(number):
    """The IEEE 754 bits of a float, as 16 hex digits, most significant first."""
    return struct.pack(">d", number).hex()


def text(value):
    """A str; one with lone surrogates, which JSON readers treat differently, as the hex of its UTF-8 bytes."""
    try:
        value.encode("utf-8")
        return {"t": "str", "v": value}
    except UnicodeEncodeError:
        return {"t": "str", "utf8": value.encode("utf-8", "surrogatepass").hex()}


def global_name(thing):
    """The name a pickle gives a class or function."""
    module = getattr(thing, "__module__", None) or "builtins"
    return "%s.%s" % (module, getattr(thing, "__qualname__", thing.__name__))


class Encoder:
    """Encodes one loaded object; `protocol` is the pickle protocol that objects are reduced with."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.open = []  # ids of the containers around the current value

    def encode(self, value, path=()):
        if id(value) in self.open:
            return {"t": "cycle", "up": len(self.open) - self.open.index(id(value))}
        simple = self.simple(value)
        if simple is not None:
            return simple
        self.open.append(id(value))
        try:
            return self.compound(value, path)
        finally:
            self.open.pop()

    def simple(self, value):
        kind = type(value)
        if value is None:
            return {"t": "none"}
        if kind is bool:
            return {"t": "bool", "v": value}
        if kind is int:
            return {"t": "int", "v": str(value)}
        if kind is float:
            return {"t": "float", "bits": bits(value)}
        if kind is complex:
            return {"t": "complex", "re": bits(value.real), "im": bits(value.imag)}
        if kind is str:
            return text(value)
        if kind in (bytes, bytearray):
            return {"t": kind.__name__, "hex": bytes(value).hex()}
        if kind is torch.Size:
            return {"t": "size", "v": list(value)}
        if kind is torch.device:
            return {"t": "device", "v": str(value)}
        if kind in (torch.dtype, torch.layout, torch.qscheme):
            return {"t": kind.__name__, "v": torch_name(value)}
        if isinstance(value, numpy.dtype):
            return {"t": "npdtype", "dtype": value.str}
        if isinstance(value, numpy.generic):
            return dict(self.array(numpy.asarray(value)), t="npscalar")
        if isinstance(value, (type, types.FunctionType)):
            return {"t": "global", "v": global_name(value)}
        return None

    def compound(self, value, path):
        kind = type(value)
        if isinstance(value, torch.Tensor):
            return self.tensor(value, path)
        if isinstance(value, torch.nn.Module):
            return {
                "t": "module",
                "global": global_name(kind),
                "keys": list(value.state_dict(keep_vars=True)),
            }
        if kind in DICTS:
            return self.mapping(value, path, DICTS[kind])
        if kind in (list, tuple):
            return {
                "t": kind.__name__,
                "items": [self.encode(v, path + (str(i),)) for i, v in enumerate(value)],
            }
        if kind in (set, frozenset):
            return {"t": kind.__name__, "items": sorted((self.encode(v, path) for v in value), key=repr)}
        if isinstance(value, numpy.ndarray):
            return self.array(value)
        if isinstance(value, (torch.storage.TypedStorage, torch.UntypedStorage)):
            dtype = "untyped" if isinstance(value, torch.UntypedStorage) else torch_name(value.dtype)
            return {"t": "storage", "dtype": dtype, "nbytes": value.nbytes()}
        return self.opaque(value, path)

    def tensor(self, value, path):
        out = {"t": "tensor", "key": ".".join(path)}
        attributes = dict(value.__dict__)
        if attributes:
            out["attrs"] = {name: self.encode(v, path + (name,)) for name, v in attributes.items()}
        return out

    def mapping(self, value, path, kind):
        out = {
            "t": "dict",
            "kind": kind,
            "items": [[self.encode(k, path), self.encode(v, path + (str(k),))] for k, v in value.items()],
        }
        if kind == "defaultdict":
            out["factory"] = self.encode(value.default_factory, path)
        if getattr(value, "__dict__", None):
            out["attrs"] = {name: self.encode(v, path + (name,)) for name, v in value.__dict__.items()}
        return out

    def array(self, value):
        little = value.astype(value.dtype.newbyteorder("<"))
        out = {"t": "ndarray", "dtype": little.dtype.str, "shape": list(value.shape)}
        if little.dtype.str != value.dtype.str:
            out["saved_dtype"] = value.dtype.str
        if value.dtype.hasobject:
            out["items"] = [self.encode(v) for v in value.reshape(-1).tolist()]
        else:
            out["hex"] = little.tobytes(order="C").hex()
        if value.dtype.fields:
            out["fields"] = [[name, value.dtype.fields[name][0].str] for name in value.dtype.names]
        return out

    def opaque(self, value, path):
        reduced = value.__reduce_ex__(self.protocol)
        if isinstance(reduced, str):
            return {"t": "global", "v": "%s.%s" % (value.__module__, reduced)}
        function, args, state, items, pairs = (tuple(reduced) + (None,) * 3)[:5]
        if getattr(function, "__name__", "") == "__newobj__":
            function, args = args[0], args[1:]
        out = {
            "t": "object",
            "global": global_name(function),
            "args": [self.encode(v, path + (str(i),)) for i, v in enumerate(args)],
        }
        if isinstance(state, dict):
            out["state"] = {
                "t": "dict",
                "kind": "dict",
                "items": [[self.encode(k), self.encode(v, path + (str(k),))] for k, v in state.items()],
            }
        elif state is not None:
            out["state"] = self.encode(state, path)
        if items is not None:
            out["items"] = [self.encode(v, path + (str(i),)) for i, v in enumerate(items)]
        if pairs is not None:
            out["pairs"] = [[self.encode(k), self.encode(v, path + (str(k),))] for k, v in pairs]
        return out
