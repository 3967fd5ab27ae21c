"""Tensors that are not plain strided memory: quantized, sparse, nested, meta, and those of other devices."""

import torch

from . import observe, writing


def quantized():
    values = torch.linspace(-4, 4, 32).view(4, 8)
    out = {
        str(t).removeprefix("torch."): torch.quantize_per_tensor(values, 0.25, 3, t)
        for t in (torch.qint8, torch.quint8, torch.qint32)
    }
    out["transposed"] = out["qint8"].t()
    out["row"] = out["quint8"][1]
    return out


def per_channel():
    values, points = torch.linspace(-4, 4, 32).view(4, 8), torch.tensor([0, 1, 2, 3])
    scales = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    out = {
        str(t).removeprefix("torch."): torch.quantize_per_channel(values, scales, points, 0, t)
        for t in (torch.qint8, torch.quint8, torch.qint32)
    }
    out["axis_1"] = torch.quantize_per_channel(values, scales.repeat(2), points.repeat(2), 1, torch.qint8)
    out["float_qparams"] = torch.quantize_per_channel(values, scales.float(), points.float(), 0, torch.quint8)
    return out


def packed():
    values = torch.linspace(-4, 4, 32).view(4, 8)
    scales, points = torch.tensor([0.5, 1.0, 1.5, 2.0]), torch.tensor([0.0, 1, 2, 3])
    out = {}
    for dtype in (torch.quint4x2, torch.quint2x4):
        name = str(dtype).removeprefix("torch.")
        out[name] = torch.quantize_per_tensor(values, 0.5, 2, dtype)
        out[name + "_channels"] = torch.quantize_per_channel(values, scales, points, 0, dtype)
    out["odd"] = torch.quantize_per_tensor(values.view(-1)[:7].clone(), 0.5, 2, torch.quint4x2)
    return out


def sparse():
    dense = torch.zeros(4, 6)
    dense[0, 1], dense[2, 3], dense[3, 5] = 1.0, 2.0, 3.0
    repeated = torch.sparse_coo_tensor([[0, 0, 1], [2, 2, 0]], [1.0, 2.0, 3.0], (2, 3))
    return {
        "coo": dense.to_sparse(),
        "uncoalesced": repeated,
        "empty": torch.sparse_coo_tensor(size=(3, 2)),
        "hybrid": torch.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]], (3, 2)),
        "int": torch.eye(3, dtype=torch.int64).to_sparse(),
        "csr": dense.to_sparse_csr(),
        "csc": dense.to_sparse_csc(),
        "bsr": dense.to_sparse_bsr((2, 2)),
        "bsc": dense.to_sparse_bsc((2, 3)),
        "batched_csr": torch.stack([dense, dense]).to_sparse_csr(),
        "int32_csr": torch.sparse_csr_tensor(
            torch.tensor([0, 1, 2], dtype=torch.int32),
            torch.tensor([1, 0], dtype=torch.int32),
            torch.tensor([5.0, 6.0]),
            (2, 2),
        ),
        "dense": dense,
    }


def nested():
    return {
        "vectors": torch.nested.nested_tensor([torch.arange(3.0), torch.arange(5.0)]),
        "matrices": torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(4, 3)], dtype=torch.float64),
        "one": torch.nested.nested_tensor([torch.arange(4)]),
        "plain": torch.ones(2),
    }


def meta():
    return {
        "meta": torch.empty(2, 3, device="meta"),
        "huge": torch.empty(1 << 40, dtype=torch.bfloat16, device="meta"),
        "strided": torch.empty(4, 6, device="meta").t(),
        "parameter": torch.nn.Parameter(torch.empty(3, device="meta")),
        "scalar": torch.empty((), dtype=torch.int64, device="meta"),
        "real": torch.arange(3.0),
    }


class FromDevice:
    """Pickles as a tensor of a device whose storages have no location tag (XLA and its like)."""

    def __init__(self, tensor, device):
        self.tensor, self.device = tensor, device

    def __reduce__(self):
        function = torch._utils._rebuild_device_tensor_from_cpu_tensor
        return function, (self.tensor, self.tensor.dtype, self.device, False)


def add(catalogue):
    save = lambda name, obj, **more: catalogue.save("layouts", name, obj, **more)
    save("layout_quantized", quantized())
    save("layout_quantized_per_channel", per_channel())
    save("layout_quantized_packed", packed())
    save("layout_sparse", sparse())
    save("layout_sparse_protocol_4", sparse(), protocol=4)
    save("layout_nested", nested())
    save("layout_meta", meta(), load=[("none",), ("str", "cpu"), ("str", "meta"), ("dict", {"meta": "cpu"})])
    path = catalogue.path("layouts", "layout_device_tensor")
    writing.save({"t": FromDevice(torch.arange(3.0), "xla:0"), "plain": torch.ones(2)}, str(path))
    add_device_tensor(catalogue, path)
    pickle_save(catalogue)


def add_device_tensor(catalogue, path):
    """torch.load wants a map_location other than a function here, so the file is observed on the CPU."""
    loaded = observe.torch_load(str(path), torch.device("cpu"))
    rows = observe.describe_tensors(list(observe.leaves(loaded)), lambda t: "cpu")
    rows[0]["location"] = "xla:0"
    case = {
        "name": path.stem,
        "group": "layouts",
        "file": catalogue.relative(path),
        "format": "zip",
        "protocol": 2,
        "locations": ["cpu", "xla:0"],
        "tensors": rows,
        "content": None,
        "load": [observe.observe_load(str(path), "str", "cpu")],
    }
    case.update(observe.weights_only(str(path)))
    catalogue.add(case, {"accept": ["unsupported"]}, "the order of the locations is not PyTorch's")


def pickle_save(catalogue):
    """Files of the C++ function torch::pickle_save: other globals, other record order."""
    plain = {
        "weight": torch.arange(6.0).view(2, 3),
        "bias": torch.ones(2),
        "bytes": torch.arange(3, dtype=torch.uint8),
    }
    weight = torch.arange(4.0)
    mixed = (
        1,
        2.5,
        "text",
        True,
        None,
        [1, 2, 3],
        [1.5],
        [True],
        [torch.ones(1), weight, weight],
        {"k": weight[1:]},
        {1: "a"},
        torch.ones(2, dtype=torch.complex64).conj(),
    )
    types = {
        "u16": torch.arange(3).to(torch.uint16),
        "u64": torch.arange(3).to(torch.uint64),
        "f8": torch.ones(3).to(torch.float8_e4m3fn),
        "b16": torch.ones(3).bfloat16(),
        "half": torch.ones(2).to(torch.complex32),
    }
    for name, value in (("cpp_dict", plain), ("cpp_mixed", mixed), ("cpp_types", types)):
        path = catalogue.path("layouts", name)
        data = torch._C._pickle_save(value)
        path.write_bytes(data)
        loaded = torch._C._pickle_load_obj(data)
        rows = observe.describe_tensors(list(observe.leaves(loaded)), lambda t: "cpu")
        catalogue.add(
            {
                "name": name,
                "group": "layouts",
                "file": catalogue.relative(path),
                "format": "zip",
                "protocol": 2,
                "locations": ["cpu"],
                "tensors": rows,
                "content": None,
                "load": [],
            },
            note="described by libtorch's own reader",
        )
