"""Pickles assembled by hand: each function gives the bytes of one value or instruction."""

import struct

PROTO, STOP, MARK, NONE, POP = b"\x80\x02", b".", b"(", b"N", b"0"
REDUCE, BUILD, PERSID, TUPLE, NEWOBJ = b"R", b"b", b"Q", b"t", b"\x81"
EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT = b")", b"]", b"}"
TRUE, FALSE = b"\x88", b"\x89"
APPEND, APPENDS, SETITEM, SETITEMS = b"a", b"e", b"s", b"u"


def text(value):
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value):
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def put(index):
    return b"r" + struct.pack("<I", index)


def get(index):
    return b"j" + struct.pack("<I", index)


def sequence(*values):
    return MARK + b"".join(values) + TUPLE


def numbers(*values):
    return sequence(*map(integer, values))


def list_of(*values):
    return EMPTY_LIST + MARK + b"".join(values) + APPENDS


def dict_of(*pairs):
    return EMPTY_DICT + MARK + b"".join(k + v for k, v in pairs) + SETITEMS


def named(name):
    module, _, attribute = name.rpartition(".")
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def call(name, *arguments):
    return named(name) + sequence(*arguments) + REDUCE


HOOKS = named("collections.OrderedDict") + EMPTY_TUPLE + REDUCE


def storage(key="0", numel=3, kind="torch.FloatStorage", location="cpu", more=()):
    return sequence(text("storage"), named(kind), text(key), text(location), integer(numel), *more) + PERSID


def tensor(store=None, offset=0, size=(3,), stride=(1,), grad=FALSE, more=()):
    return call(
        "torch._utils._rebuild_tensor_v2",
        store or storage(),
        integer(offset),
        numbers(*size),
        numbers(*stride),
        grad,
        HOOKS,
        *more
    )


def pickled(*body):
    return PROTO + b"".join(body) + STOP


def one(value):
    """A dict with one entry, "a"."""
    return pickled(dict_of((text("a"), value)))
