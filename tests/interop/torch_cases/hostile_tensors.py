"""Pickles that describe tensors outside their storages, and storages that are not what the file holds."""

import struct

from . import opcodes as op
from .hostile_archive import Refuser
from .opcodes import (
    call,
    dict_of,
    integer,
    list_of,
    named,
    numbers,
    one,
    pickled,
    sequence,
    storage,
    tensor,
    text,
)


def add(catalogue):
    for part in (add_tensors, add_storages, add_special):
        part(Refuser(catalogue, "hostile_tensors"))


def add_tensors(bad):
    """Geometry."""
    cases = {
        "size_beyond_storage": dict(size=(4,)),
        "offset_beyond_storage": dict(offset=1),
        "offset_huge": dict(offset=2**62),
        "offset_negative": dict(offset=-1),
        "size_negative": dict(size=(-3,)),
        "stride_negative": dict(offset=2, stride=(-1,)),
        "stride_huge": dict(size=(2,), stride=(2**62,)),
        "sizes_overflow": dict(size=(2**32, 2**32), stride=(0, 0)),
        "sizes_overflow_to_zero": dict(size=(2**32, 2**32, 0), stride=(1, 1, 1)),
        "extent_overflow": dict(size=(2**33, 2), stride=(2**31, 1)),
        "more_strides": dict(size=(3,), stride=(1, 1)),
        "fewer_strides": dict(size=(1, 3), stride=(1,)),
        "offset_of_a_bignum": dict(offset=2**70),
        "size_of_a_bignum": dict(size=(2**70,)),
    }
    for name, arguments in cases.items():
        accept = ["fine"] if name == "sizes_overflow_to_zero" else []
        bad("tensor_" + name, one(tensor(**arguments)), "corrupt", *accept)
    rebuild = "torch._utils._rebuild_tensor_v2"
    for name, arguments in {
        "int_for_size": (storage(), integer(0), integer(3), numbers(1), op.FALSE, op.HOOKS),
        "int_for_stride": (storage(), integer(0), numbers(3), integer(1), op.FALSE, op.HOOKS),
        "text_for_offset": (storage(), text("0"), numbers(3), numbers(1), op.FALSE, op.HOOKS),
        "float_in_size": (
            storage(),
            integer(0),
            sequence(b"G" + struct.pack(">d", 3.0)),
            numbers(1),
            op.FALSE,
            op.HOOKS,
        ),
        "int_for_storage": (integer(0), integer(0), numbers(3), numbers(1), op.FALSE, op.HOOKS),
        "missing_arguments": (storage(), integer(0)),
        "no_arguments": (),
        "metadata_of_int": (storage(), integer(0), numbers(3), numbers(1), op.FALSE, op.HOOKS, integer(1)),
    }.items():
        bad("tensor_" + name, one(call(rebuild, *arguments)), "corrupt", "unsupported")
    bad(
        "tensor_list_for_size",
        one(
            call(rebuild, storage(), integer(0), list_of(integer(3)), list_of(integer(1)), op.FALSE, op.HOOKS)
        ),
        "fine",
        note="PyTorch takes lists too",
    )
    bad(
        "tensor_arguments_not_a_tuple", one(named(rebuild) + integer(1) + op.REDUCE), "corrupt", "unsupported"
    )


def add_storages(bad):
    """Persistent ids."""
    for name, arguments in {
        "numel_negative": dict(numel=-1),
        "numel_huge": dict(numel=2**62),
        "numel_overflows": dict(numel=2**61 + 3),
        "numel_bignum": dict(numel=2**65),
        "numel_low": dict(numel=2),
        "numel_high": dict(numel=4),
        "key_missing": dict(key="7"),
        "key_parent": dict(key="../version"),
        "key_empty": dict(key=""),
        "class_unknown": dict(kind="torch.FancyStorage"),
        "class_of_other_module": dict(kind="evil.FloatStorage"),
        "double": dict(kind="torch.DoubleStorage"),
    }.items():
        expect = "corrupt"
        bad(
            "storage_" + name,
            one(tensor(storage(**arguments), size=(1,))),
            expect,
            "unsupported",
            record=None,
        )
    bad("storage_six_elements", one(tensor(storage(more=[op.NONE]))), "corrupt", "unsupported", "fine")
    bad(
        "storage_four_elements",
        one(
            tensor(sequence(text("storage"), named("torch.FloatStorage"), text("0"), text("cpu")) + op.PERSID)
        ),
        "corrupt",
    )
    bad("storage_id_of_text", one(tensor(text("storage") + op.PERSID)), "corrupt", "unsupported")
    bad(
        "storage_location_of_int",
        one(
            tensor(
                sequence(text("storage"), named("torch.FloatStorage"), text("0"), integer(0), integer(3))
                + op.PERSID
            )
        ),
        "corrupt",
    )
    bad("storage_numels_differ", pickled(list_of(tensor(), tensor(storage(numel=2), size=(2,)))), "corrupt")
    bad(
        "storage_locations_differ",
        pickled(list_of(tensor(), tensor(storage(location="cuda:0")))),
        "corrupt",
        "fine",
    )


def add_special(bad):
    """Tensors that are more than strided memory."""
    conj = dict_of((text("conj"), op.TRUE))
    bad("tensor_conj_of_floats", one(tensor(more=[conj])), "corrupt", "unsupported")
    bad(
        "tensor_integers_with_grad",
        one(tensor(storage(kind="torch.IntStorage"), grad=op.TRUE)),
        "corrupt",
        "fine",
        "unsupported",
    )
    quantized = lambda *parameters: call(
        "torch._utils._rebuild_qtensor",
        storage(kind="torch.QInt8Storage", numel=12),
        integer(0),
        numbers(3, 4),
        numbers(4, 1),
        sequence(*parameters),
        op.FALSE,
        op.HOOKS,
    )
    scheme = named("torch.per_channel_affine")
    bad(
        "tensor_quantizer_axis",
        one(quantized(scheme, tensor(), tensor(), integer(5))),
        "corrupt",
        "unsupported",
    )
    bad(
        "tensor_quantizer_lengths",
        one(quantized(scheme, tensor(size=(2,)), tensor(size=(2,)), integer(0))),
        "corrupt",
        "unsupported",
    )
    bad("tensor_quantizer_empty", one(quantized()), "corrupt", "unsupported")
    bad(
        "tensor_quantizer_scheme",
        one(quantized(named("torch.per_moon_phase"), integer(1), integer(0))),
        "fine",
        "corrupt",
        "unsupported",
        read=["unsupported", "corrupt"],
    )
    layout = call("torch.serialization._get_layout", text("torch.sparse_coo"))
    sparse = lambda *data: call("torch._utils._rebuild_sparse_tensor", layout, sequence(*data))
    bad("tensor_sparse_without_parts", one(sparse()), "corrupt", "unsupported")
    bad("tensor_sparse_of_ints", one(sparse(integer(1), integer(2), numbers(3))), "corrupt", "unsupported")
    bad(
        "tensor_sparse_lengths",
        one(
            sparse(
                tensor(storage(kind="torch.IntStorage"), size=(1, 3), stride=(3, 1)),
                tensor(size=(2,)),
                call("torch.Size", numbers(4)),
            )
        ),
        "fine",
        "corrupt",
        "unsupported",
        read=["corrupt", "unsupported"],
    )
    indices = struct.pack("<3q", 0, 1, 9)
    long_tensor = lambda *shape: tensor(
        storage(key="1", kind="torch.LongStorage"), size=shape, stride=[3, 1][-len(shape) :]
    )
    bad(
        "tensor_sparse_index_out_of_bounds",
        one(sparse(long_tensor(1, 3), tensor(), call("torch.Size", numbers(4)))),
        "fine",
        "corrupt",
        records=[("data/1", indices)],
        read=["corrupt", "unsupported"],
        note="index 9 of a dimension of 4: an unchecked conversion to dense writes outside its memory",
    )
    bad(
        "tensor_nested_out_of_bounds",
        one(
            call(
                "torch._utils._rebuild_nested_tensor",
                tensor(),
                long_tensor(3, 1),
                long_tensor(3, 1),
                long_tensor(3),
            )
        ),
        "fine",
        "corrupt",
        records=[("data/1", indices)],
        read=["corrupt", "unsupported"],
        note="a component that starts at 9 in a buffer of 3 elements",
    )
    bad(
        "tensor_sparse_layout",
        one(
            call(
                "torch._utils._rebuild_sparse_tensor",
                call("torch.serialization._get_layout", text("torch.sparse_fancy")),
                sequence(tensor(), tensor(), numbers(3)),
            )
        ),
        "corrupt",
        "unsupported",
    )
    bad(
        "tensor_of_unknown_type",
        one(
            call(
                "torch._utils._rebuild_tensor_v3",
                storage(kind="torch.storage.UntypedStorage", numel=12),
                integer(0),
                numbers(3),
                numbers(1),
                op.FALSE,
                op.HOOKS,
                named("torch.float7"),
            )
        ),
        "corrupt",
        "unsupported",
    )
    bad(
        "tensor_deep_chain_of_parameters",
        one(
            b"".join([named("torch._utils._rebuild_parameter") + op.MARK] * 50_000)
            + tensor()
            + (op.FALSE + op.HOOKS + op.TUPLE + op.REDUCE) * 50_000
        ),
        "limit",
        "corrupt",
        "unsupported",
    )
