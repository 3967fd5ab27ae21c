"""One file for each element type that torch.save can write."""

import torch

PLAIN = [
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.bool,
    torch.complex64,
    torch.complex128,
]
UNTYPED = [
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.float8_e5m2,
    torch.float8_e4m3fn,
    torch.float8_e5m2fnuz,
    torch.float8_e4m3fnuz,
    torch.float8_e8m0fnu,
    torch.float4_e2m1fn_x2,
    torch.bits1x8,
    torch.bits2x4,
    torch.bits4x2,
    torch.bits8,
    torch.bits16,
    torch.complex32,
]
QUANTIZED = [torch.qint8, torch.quint8, torch.qint32, torch.quint4x2, torch.quint2x4]


def name_of(dtype):
    return str(dtype).removeprefix("torch.")


def random_bits(dtype, count, seed=0):
    """A vector of any element type with every bit pattern possible: NaN payloads, subnormals, infinities."""
    generator = torch.Generator().manual_seed(seed)
    if dtype is torch.bool:
        return torch.randint(0, 2, (count,), dtype=torch.uint8, generator=generator).view(torch.bool)
    size = torch.empty(0, dtype=dtype).element_size()
    return torch.randint(0, 256, (count * size,), dtype=torch.uint8, generator=generator).view(dtype)


def forms(dtype, seed=0):
    """A type in its usual shapes, all but the last two on storages of their own."""
    block = random_bits(dtype, 24, seed + 1).view(2, 3, 4)
    return {
        "vector": random_bits(dtype, 7, seed + 2),
        "block": block,
        "scalar": random_bits(dtype, 1, seed + 3)[0],
        "empty": torch.empty((0, 3), dtype=dtype),
        "transposed": block.transpose(0, 2),
        "part": block[1, :, 1:3],
    }


def every_dtype():
    """One small tensor of every type, quantized ones included."""
    out = {name_of(dtype): random_bits(dtype, 6, i).view(2, 3) for i, dtype in enumerate(PLAIN + UNTYPED)}
    values = torch.linspace(-3, 3, 8).view(2, 4)
    out.update({name_of(dtype): torch.quantize_per_tensor(values, 0.5, 1, dtype) for dtype in QUANTIZED})
    return out


def add(catalogue):
    for dtype in PLAIN + UNTYPED:
        catalogue.save("dtypes", "dtype_" + name_of(dtype), forms(dtype))
    catalogue.save("dtypes", "dtype_all", every_dtype())
    specials = torch.tensor(
        [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1.1754944e-38, 3.4e38],
        dtype=torch.float64,
    )
    catalogue.save(
        "dtypes",
        "dtype_special_values",
        {
            name_of(dtype): specials.to(dtype)
            for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        },
    )
    for protocol in (3, 4, 5):
        catalogue.save("dtypes", "dtype_all_protocol_%d" % protocol, every_dtype(), protocol=protocol)
