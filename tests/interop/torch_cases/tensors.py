"""What PyTorch says of one tensor: its place in memory, its flags, and the digest of its elements."""

import ctypes
import hashlib

import numpy
import torch

PACKED = {torch.quint4x2: 2, torch.quint2x4: 4}  # elements in a byte


def torch_name(thing):
    """ "float32" for torch.float32, and so for layouts and quantization schemes."""
    return str(thing).removeprefix("torch.")


def storage_bytes(storage):
    return ctypes.string_at(storage.data_ptr(), storage.nbytes()) if storage.nbytes() else b""


def strided_bytes(tensor):
    """The elements in row-major order, each as it lies in memory (little-endian here), with any dtype."""
    tensor = tensor.detach()
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    raw, numel = storage_bytes(tensor.untyped_storage()), tensor.numel()
    if numel == 0:
        return b""
    if tensor.dtype in PACKED:
        per_byte = PACKED[tensor.dtype]
        if not tensor.is_contiguous() or tensor.storage_offset() % per_byte:
            raise ValueError("a packed tensor that is not contiguous has no int_repr")
        start = tensor.storage_offset() // per_byte
        return raw[start : start + -(-numel // per_byte)]
    size = tensor.element_size()
    elements = numpy.frombuffer(raw, dtype="V%d" % size)[tensor.storage_offset() :]
    strides = [s * size for s in tensor.stride()]
    return numpy.lib.stride_tricks.as_strided(elements, tuple(tensor.shape), strides).tobytes()


def element_bytes(tensor):
    """What the digest is over; None for a meta tensor, which has no elements."""
    if tensor.is_meta:
        return None
    if tensor.is_nested:
        return b"".join(strided_bytes(part) for part in tensor.unbind())
    if tensor.layout is not torch.strided:
        return strided_bytes(tensor.detach().to_dense())
    return strided_bytes(tensor)


def parts(tensor):
    """The strided tensors that hold a tensor's data."""
    tensor = tensor.detach()
    if tensor.is_nested:
        return [
            tensor.values(),
            tensor._nested_tensor_size(),
            tensor._nested_tensor_strides(),
            tensor._nested_tensor_storage_offsets(),
        ]
    if tensor.layout is torch.strided:
        return [tensor]
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    by_row = tensor.layout in (torch.sparse_csr, torch.sparse_bsr)
    compressed = (
        (tensor.crow_indices(), tensor.col_indices())
        if by_row
        else (tensor.ccol_indices(), tensor.row_indices())
    )
    return [*compressed, tensor.values()]


def quantizer(tensor):
    scheme = torch_name(tensor.qscheme())
    if scheme.startswith("per_tensor"):
        return {"scheme": scheme, "scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
    return {
        "scheme": scheme,
        "axis": tensor.q_per_channel_axis(),
        "scales": tensor.q_per_channel_scales().tolist(),
        "zero_points": tensor.q_per_channel_zero_points().tolist(),
    }


def nbytes(tensor, content):
    """Bytes of the elements; packed types count bytes, sparse and nested tensors all their parts."""
    if tensor.is_nested or tensor.layout is not torch.strided:
        return sum(part.nbytes for part in parts(tensor))
    return tensor.nbytes if content is None else len(content)


def describe(tensor):
    """Everything about a tensor that does not depend on its neighbours or on the file."""
    strided = tensor.layout is torch.strided and not tensor.is_nested
    content = element_bytes(tensor)
    out = {
        "dtype": torch_name(tensor.dtype),
        "shape": None if tensor.is_nested else list(tensor.shape),
        "stride": list(tensor.stride()) if strided else None,
        "storage_offset": tensor.storage_offset() if strided else None,
        "layout": "nested" if tensor.is_nested else torch_name(tensor.layout),
        "requires_grad": tensor.requires_grad,
        "is_parameter": isinstance(tensor, torch.nn.Parameter),
        "is_buffer": bool(getattr(tensor, "_is_buffer", False)),
        "conj": strided and tensor.is_conj(),
        "neg": strided and tensor.is_neg(),
        "nbytes": nbytes(tensor, content),
        "hashed": None if content is None else len(content),
        "storage_nbytes": tensor.untyped_storage().nbytes() if strided else None,
        "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
    }
    if tensor.is_quantized:
        out["quantizer"] = quantizer(tensor)
    if tensor.layout is torch.sparse_coo:
        out["coalesced"] = tensor.is_coalesced()
    if tensor.is_nested:
        out["components"] = [list(part.shape) for part in tensor.unbind()]
    return out
