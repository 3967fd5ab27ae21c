"""Views, shared storages, strides and flags."""

import torch

from .dtypes import random_bits


def attributes():
    """Tensors of the kinds that carry more than data."""
    plain = torch.arange(4.0)
    plain.note, plain.level = "measured", 3
    parameter = torch.nn.Parameter(torch.arange(3.0))
    parameter.scale = 0.5
    return {
        "plain": plain,
        "parameter": parameter,
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "integers": torch.nn.Parameter(torch.arange(3), requires_grad=False),
        "buffer": torch.nn.Buffer(torch.arange(5.0)),
        "passing": torch.nn.Buffer(torch.zeros(1), persistent=False),
        "leaf": torch.ones(2, 2, requires_grad=True),
        "detached": torch.ones(2, 2),
    }


def sharing():
    """Every way in which two entries can be one memory."""
    weight = torch.arange(12.0).view(3, 4)
    parameter = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
    return {
        "same": weight,
        "same_again": weight,
        "flat": weight.view(-1),
        "row": weight[1],
        "column": weight[:, 2],
        "transposed": weight.t(),
        "alone": weight.clone(),
        "tied_a": parameter,
        "tied_b": parameter,
        "parameter_data": parameter.data,
        "list": [weight, weight[2:], {"deep": weight[:, ::2]}],
    }


def strided():
    base = torch.arange(120.0).view(2, 3, 4, 5)
    return {
        "base": base,
        "transposed": base.transpose(1, 3),
        "channels_last": base.contiguous(memory_format=torch.channels_last),
        "channels_last_3d": torch.arange(120.0)
        .view(1, 2, 3, 4, 5)
        .contiguous(memory_format=torch.channels_last_3d),
        "expanded": torch.tensor([1.0, 2.0]).unsqueeze(1).expand(2, 5),
        "expanded_scalar": torch.tensor(7.0).expand(3, 2),
        "steps": base.view(-1)[3:100:7],
        "diagonal": torch.arange(16.0).view(4, 4).diagonal(),
        "windows": torch.arange(10.0).unfold(0, 4, 2),
        "unsqueezed": base[1, 2].unsqueeze(0).unsqueeze(-1),
        "one_element": base[1:, 2:, 3:, 4:],
        "odd_stride_of_one": torch.arange(3.0).as_strided((1, 3), (77, 1)),
    }


def lazy_bits():
    z = torch.complex(torch.arange(6.0), -torch.arange(6.0)).view(2, 3)
    d = z.to(torch.complex128)
    return {
        "z": z,
        "conj": z.conj(),
        "adjoint": z.adjoint(),
        "part": z.conj()[1, 1:],
        "double_conj": d.conj(),
        "double_neg": torch._neg_view(torch.arange(3.0, dtype=torch.float64)),
        "neg_conj": torch._neg_view(z.conj()),
    }


def add(catalogue):
    save = lambda name, obj, **more: catalogue.save("views", name, obj, **more)
    save("view_bare", torch.arange(6.0).view(2, 3))
    save("view_bare_parameter", torch.nn.Parameter(torch.arange(3.0)))
    save(
        "view_scalars",
        {
            "float": torch.tensor(1.5),
            "int": torch.tensor(7),
            "bool": torch.tensor(True),
            "one": torch.tensor([1.5]),
            "ones": torch.ones(1, 1, 1),
        },
    )
    empty = torch.empty(0)
    save(
        "view_empty",
        {
            "a": empty,
            "b": empty.view(0, 4),
            "same": empty,
            "wide": torch.empty(3, 0, 5),
            "int": torch.empty(0, dtype=torch.int64),
            "tail": torch.arange(4.0)[4:],
            "middle": torch.arange(4.0)[2:2],
        },
    )
    save("view_strided", strided())
    save("view_sharing", sharing())
    big = random_bits(torch.float32, 50000)
    save(
        "view_slice_of_big", {"head": big[:2], "tail": big[-3:], "grid": big[100:400].view(10, 30)[2:5, 3:7]}
    )
    save("view_lazy_bits", lazy_bits())
    save("view_imaginary_of_conj", {"imag": lazy_bits()["conj"].imag, "alone": torch.ones(2)})
    save("view_attributes", attributes())
    buffer = random_bits(torch.uint8, 32)
    save(
        "view_two_types_one_storage",
        {
            "u16": buffer.view(torch.uint16),
            "f8": buffer.view(torch.float8_e4m3fn),
            "u64": buffer.view(torch.uint64)[1:],
        },
    )
    save("view_many_dimensions", {"t": torch.arange(128.0).view(*[2] * 7), "ones": torch.ones([1] * 64)})
    save(
        "view_deep_slices",
        [torch.arange(1000, dtype=torch.int16)[i : i + 10 * i + 1 : max(1, i)] for i in range(20)],
    )
    save(
        "view_requires_grad",
        {
            "leaf": torch.ones(2, requires_grad=True),
            "half": torch.ones(2, dtype=torch.float16, requires_grad=True),
            "complex": torch.ones(2, dtype=torch.complex64, requires_grad=True),
        },
    )
    for protocol in (3, 4, 5):
        save("view_sharing_protocol_%d" % protocol, sharing(), protocol=protocol)
        save("view_attributes_protocol_%d" % protocol, attributes(), protocol=protocol)
