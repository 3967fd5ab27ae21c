"""Unusual containers that PyTorch reads: alignments, deflate, byte orders, roots, missing records."""

import torch

from . import observe, rawzip, writing
from .dtypes import PLAIN, UNTYPED, every_dtype, name_of, random_bits

GOLDEN = {"a": torch.arange(3.0)}


def golden():
    """The smallest ordinary file: {"a": torch.arange(3.)} saved to memory."""
    return writing.saved_bytes(GOLDEN)


def content():
    return {
        "f32": random_bits(torch.float32, 100),
        "f64": random_bits(torch.float64, 33),
        "u8": random_bits(torch.uint8, 7),
        "c128": random_bits(torch.complex128, 5),
        "i16": random_bits(torch.int16, 9),
        "e": torch.empty(0),
    }


def big_endian_case(dtypes):
    """Every type as a big-endian machine stores it: complex numbers by component."""
    obj = {name_of(t): random_bits(t, 6, i).view(2, 3) for i, t in enumerate(dtypes)}
    widths = {}
    for index, dtype in enumerate(dtypes):
        size = obj[name_of(dtype)].element_size()
        widths["data/%d" % index] = size // 2 if dtype.is_complex else size
    return obj, writing.big_endian(writing.saved_bytes(obj), widths)


def add(catalogue):
    group = "containers"
    catalogue.write(group, "golden_zip", golden())
    for alignment in (1, 8, 4096):
        catalogue.save(group, "container_alignment_%d" % alignment, content(), alignment=alignment)
    catalogue.save(group, "container_without_crc", content(), crc=False)
    data = writing.saved_bytes(content())
    catalogue.write(group, "container_rezipped", writing.rezip(data), note="stored, without alignment")
    catalogue.write(group, "container_deflated", writing.rezip(data, deflate=True))
    catalogue.write(group, "container_trailing_bytes", data + b"\0" * 100, ours={"accept": ["corrupt"]})
    catalogue.write(
        group,
        "container_comment",
        rawzip.build([rawzip.Entry(n, p) for n, p in rawzip.read(data)], comment=b"made by hand"),
    )
    drop = lambda *names: writing.rezip(data, lambda name, payload: None if name in names else payload)
    catalogue.write(
        group,
        "container_bare",
        drop(".format_version", ".storage_alignment", "byteorder", ".data/serialization_id"),
        note="the records of old versions only",
    )
    entries = rawzip.read(data)
    catalogue.write(
        group, "container_reversed", rawzip.build([rawzip.Entry(n, p) for n, p in reversed(entries)])
    )
    renamed = [rawzip.Entry("модель 🚀/" + n.split("/", 1)[1], p) for n, p in entries]
    catalogue.write(group, "container_unicode_root", rawzip.build(renamed))
    extra = [rawzip.Entry(n, p) for n, p in entries] + [rawzip.Entry("archive/extra/notes.txt", b"hello")]
    catalogue.write(group, "container_extra_record", rawzip.build(extra))
    for number in (1, 10):
        catalogue.write(
            group,
            "container_version_%d" % number,
            writing.rezip(data, lambda name, payload: b"%d\n" % number if name == "version" else payload),
        )
    catalogue.write(
        group,
        "container_crc_zero",
        rawzip.build([rawzip.Entry(n, p, central={"crc": 0}, local={"crc": 0}) for n, p in entries]),
    )
    shared = random_bits(torch.float32, 64)
    catalogue.save(group, "container_unaligned_views", [shared[i : i + 5] for i in range(1, 9)], alignment=1)
    add_big_endian(catalogue)


def add_big_endian(catalogue):
    _, data = big_endian_case(PLAIN)
    catalogue.write("containers", "container_big_endian", data)
    expected, data = big_endian_case(UNTYPED)
    case = catalogue.write(
        "containers",
        "container_big_endian_untyped",
        data,
        note=(
            "torch.load leaves these types unswapped; the tensors listed are what the big-endian machine saved"
        ),
    )
    case["tensors"] = observe.describe_tensors(
        [((key,), tensor) for key, tensor in expected.items()], lambda t: "cpu"
    )
    case["differs_from_torch"] = True
    alike = writing.rezip(writing.saved_bytes(every_dtype()), alignment=64)
    catalogue.write("containers", "container_little_endian", alike)
