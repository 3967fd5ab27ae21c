"""Pickles that misuse the stack and the memo, lie about lengths, or explode when they are walked."""

import struct

from . import opcodes as op
from .hostile_archive import Refuser
from .opcodes import call, dict_of, integer, list_of, named, numbers, one, pickled, sequence, storage, tensor, text

ALMOST_2_31 = 2**31 - 1


def add(catalogue):
    add_machine(Refuser(catalogue, "hostile_machine"))
    add_sizes(Refuser(catalogue, "hostile_sizes"))


def add_machine(bad):
    """The stack, the memo and the operands."""
    for name, body in (
        ("unknown_opcode", b"\xff"),
        ("nul_opcode", b"\0"),
        ("memo_missing", b"h\7"),
        ("long_memo_missing", op.get(2**32 - 1)),
        ("pop_empty", b"000"),
        ("mark_missing", b"e"),
        ("reduce_without_arguments", b"R"),
        ("append_to_dict", op.EMPTY_DICT + integer(1) + op.APPEND),
        ("appends_to_tuple", op.EMPTY_TUPLE + b"(K\1e"),
        ("setitem_on_list", op.EMPTY_LIST + integer(1) + integer(2) + op.SETITEM),
        ("setitem_on_int", integer(1) + integer(1) + integer(2) + op.SETITEM),
        ("setitems_odd", op.EMPTY_DICT + b"(K\1u"),
        ("build_on_int", integer(1) + op.EMPTY_DICT + op.BUILD),
        ("tuple_without_mark", b"t"),
        ("tuple3_short", b"K\1\x87"),
        ("persistent_of_nothing", b"Q"),
    ):
        bad("machine_" + name, op.PROTO + body + op.STOP, "corrupt", "unsupported")
    bad(
        "machine_setitem_on_tensor",
        one(tensor() + integer(0) + integer(1) + op.SETITEM),
        "corrupt",
        "unsupported",
    )
    bad("machine_append_to_tensor", one(tensor() + integer(1) + op.APPEND), "corrupt", "unsupported")
    bad(
        "machine_list_as_key", pickled(dict_of((op.EMPTY_LIST, integer(1)))), "corrupt", "unsupported", "fine"
    )
    bad("machine_no_stop", op.PROTO + op.EMPTY_DICT, "corrupt")
    bad("machine_stop_at_once", op.PROTO + op.STOP, "corrupt")
    bad("machine_only_proto", op.PROTO, "corrupt")
    bad("machine_open_mark", op.PROTO + op.MARK + op.STOP, "corrupt")
    bad("machine_protocol_6", b"\x80\6}.", "unsupported", "corrupt")
    bad("machine_global_without_end", op.PROTO + b"ctorch\nFloat", "corrupt")
    bad("machine_global_not_utf8", one(b"c\xff\xfe\nx\n"), "corrupt", "fine")
    bad("machine_bad_utf8", one(text(b"\xc3\x28")), "corrupt")
    bad("machine_overlong_utf8", one(text(b"\xc0\xaf")), "corrupt")
    bad(
        "machine_memo_huge_index",
        one(integer(1) + op.put(2**32 - 1)),
        "fine",
        note="an index costs nothing by itself",
    )
    bad("machine_after_stop", op.pickled(op.EMPTY_DICT) + b"more bytes", "fine", "corrupt")
    bad(
        "machine_leftovers",
        op.PROTO + integer(1) + op.EMPTY_DICT + op.STOP,
        "fine",
        "corrupt",
        note="as PyTorch",
    )
    bad(
        "machine_latin1_beyond_bytes",
        one(call("_codecs.encode", text("\u0100"), text("latin1"))),
        "corrupt",
        "fine",
    )
    bad(
        "machine_codec",
        one(call("_codecs.encode", text("x"), text("rot13"))),
        "fine",
        "unsupported",
        "corrupt",
    )
    loop = op.EMPTY_LIST + op.put(1) + op.get(1) + op.APPEND
    bad("machine_list_in_itself", one(loop), "unsupported")
    bad(
        "machine_tuple_in_itself",
        one(op.EMPTY_LIST + op.put(1) + op.get(1) + b"\x85" + op.APPEND),
        "unsupported",
    )
    bad(
        "machine_size_in_itself",
        one(
            call(
                "torch._utils._rebuild_tensor_v2", storage(), integer(0), loop, numbers(1), op.FALSE, op.HOOKS
            )
        ),
        "corrupt",
        "unsupported",
    )


def laughs(bottom, levels, width=10):
    """A list of lists of lists of one value: width ** levels paths, a few hundred bytes."""
    out = bottom + op.put(0)
    for level in range(levels):
        out += list_of(*[op.get(level)] * width) + op.put(level + 1)
    return pickled(out)


def add_sizes(bad):
    """Lengths that lie and structures that explode."""
    for name, body in (
        ("unicode", b"X\xf0\xff\xff\xff"),
        ("unicode8", b"\x8d" + struct.pack("<Q", 2**63)),
        ("unicode8_wraps", b"\x8d" + struct.pack("<Q", 2**64 - 1)),
        ("bytes", b"B\xf0\xff\xff\xff"),
        ("bytes8", b"\x8e" + struct.pack("<Q", 2**62)),
        ("bytearray8", b"\x96" + struct.pack("<Q", 2**62)),
        ("string", b"T" + struct.pack("<i", ALMOST_2_31)),
        ("negative_string", b"T" + struct.pack("<i", -1)),
        ("long4", b"\x8b" + struct.pack("<i", ALMOST_2_31)),
        ("negative_long4", b"\x8b" + struct.pack("<i", -5)),
        ("long1", b"\x8a\xff\1\2"),
        ("short_bytes", b"C\xffabc"),
    ):
        bad("size_lying_" + name, op.PROTO + body, "corrupt")
    bad("size_frame", b"\x80\4\x95" + struct.pack("<Q", 2**62) + b"}.", "corrupt", "fine")
    bad(
        "size_integer_of_a_megabyte", one(b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20)), "limit"
    )
    deep = 100_000
    bad("size_deep_lists", op.PROTO + b"]" * deep + b"a" * (deep - 1) + op.STOP, "limit")
    bad("size_deep_tuples", op.PROTO + b"N" + b"\x85" * deep + op.STOP, "limit")
    bad("size_deep_dicts", op.PROTO + b"}K\1" * deep + b"N" + b"s" * deep + op.STOP, "limit")
    bad("size_deep_marks", op.PROTO + b"(" * deep + b"t" * deep + op.STOP, "limit")
    bad(
        "size_deep_objects",
        op.PROTO + b"ca\nb\n" * deep + b")" + b"\x81\x85" * (deep - 1) + b"\x81" + op.STOP,
        "limit",
    )
    bad("size_billion_laughs", laughs(text("ha"), 30), "limit", "fine", index_only=True)
    bad("size_billion_tensors", laughs(tensor(), 12), "limit")
    bad(
        "size_billion_dicts",
        pickled(
            b"".join(
                [tensor() + op.put(0)]
                + [
                    dict_of(*[(text(str(i)), op.get(level)) for i in range(10)]) + op.put(level + 1)
                    for level in range(12)
                ]
            )
        ),
        "limit",
    )
    name = text("n" * 65536) + op.put(0) + op.POP
    chain = 900
    bad(
        "size_long_names",
        pickled(name + (op.EMPTY_DICT + op.get(0)) * chain + tensor() + op.SETITEM * chain),
        "limit",
        note="dicts in each other under one long name: the path to the tensor has 59 MB, and every dict has one",
    )
    keys = sequence(integer(1)) + op.put(0)
    for level in range(8):
        keys += op.POP + sequence(*[op.get(level)] * 100) + op.put(level + 1)
    bad(
        "size_laughing_key",
        pickled(keys + op.POP + dict_of((op.get(8), tensor()))),
        "fine",
        "limit",
        note="a key that would be 10 ** 16 numbers long when it was written out",
    )
    bad(
        "size_bytearray",
        one(call("__builtin__.bytearray", integer(2**45))),
        "fine",
        "corrupt",
        "limit",
        index_only=True,
    )
    bad(
        "size_ndarray",
        one(call("numpy.core.multiarray._reconstruct", named("numpy.ndarray"), numbers(2**40), text("b"))),
        "fine",
        "corrupt",
        index_only=True,
    )
    bad("size_dimensions", one(tensor(size=[1] * 65, stride=[1] * 65)), "limit", "corrupt")
    bad("size_dimensions_many", one(tensor(size=[1] * 100_000, stride=[1] * 100_000)), "limit", "corrupt")
    bad(
        "size_expanded_to_a_tebi",
        one(tensor(size=(2**40,), stride=(0,))),
        "fine",
        index_only=True,
        note="a view of stride 0: sound, but no copy of its elements fits in memory",
    )
