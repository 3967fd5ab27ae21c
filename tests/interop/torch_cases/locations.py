"""Location tags and map_location: where PyTorch puts each tensor, or in what words it refuses.

The expectations are those of a machine that has a CPU only.
"""

import io
import unittest.mock

import torch

from . import writing

TAGS = [
    "cuda",
    "cuda:0",
    "cuda:1",
    "cuda:99",
    "cuda0",
    "cuda:-1",
    "mps",
    "mps:0",
    "meta",
    "meta:0",
    "xla:0",
    "hpu",
    "hpu:0",
    "xpu:0",
    "mtia:0",
    "privateuseone",
    "privateuseone:0",
    "privateuseone:1",
    "cpu:0",
    "cpu:1",
    "npu:0",
    "foo",
    "",
    "CUDA:0",
    " cpu",
    "cuda:0 ",
]


def forms(tag):
    """Every map_location worth trying on a file with one tag."""
    lenient = {"cpu:0": "cpu", "meta:0": "meta"}.get(tag)
    return [
        ("none", None, lenient),
        ("str", "cpu"),
        ("device", "cpu"),
        ("str", "meta"),
        ("str", "cpu:0", "cpu"),
        ("dict", {tag: "cpu"}),
        ("dict", {tag: "meta"}),
        ("dict", {"other:3": "cpu"}, lenient),
        ("dict", {}, lenient),
        ("callable", {"*": "cpu"}),
        ("callable", {"*": None}, lenient),
        ("callable", {tag: "meta"}),
    ]


def to_absent():
    """Devices that are not there, named in every form."""
    absent = ["cuda", "cuda:0", "cuda:99", "xpu:0", "hpu:0", "mtia:0", "mps", "privateuseone:0"]
    out = [("str", device) for device in absent]
    out += [("device", "cuda:7"), ("device", "cuda"), ("device", "meta"), ("device", "cpu:0", "cpu")]
    out += [("str", tag) for tag in ("foo", "xla:0", "cuda0", "cuda:-1", "gpu")]
    out += [("dict", {"cpu": "cuda:0"}), ("dict", {"cuda:0": "cuda:1"}), ("dict", {"cpu": "foo"})]
    return out


def mixed():
    """One file with storages of four places, views and ties on each."""
    a, b, c = (torch.arange(4.0) + i for i in range(3))
    obj = {
        "cpu": a,
        "cuda0": {"w": b, "view": b[1:]},
        "cuda1": [c, c.view(2, 2)],
        "also0": torch.zeros(3, 2),
        "empty": torch.empty(0),
    }
    tags = {
        writing.address(b): "cuda:0",
        writing.address(c): "cuda:1",
        writing.address(obj["also0"]): "cuda:0",
    }
    return obj, tags


MIXED_FORMS = [
    ("none",),
    ("str", "cpu"),
    ("device", "cpu"),
    ("str", "meta"),
    ("dict", {"cuda:0": "cpu", "cuda:1": "cpu"}),
    ("dict", {"cuda:0": "cpu"}),
    ("dict", {"cuda:1": "cuda:0", "cuda:0": "cpu"}),
    ("dict", {"cuda": "cpu"}),
    ("dict", {"cuda:0": "cpu", "cuda:1": "meta"}),
    ("dict", {"cpu": "meta", "cuda:0": "cpu", "cuda:1": "cpu"}),
    ("callable", {"*": "cpu"}),
    ("callable", {"cuda:0": "cpu", "cuda:1": "meta"}),
    ("callable", {"cuda:0": "cpu"}),
    ("callable", {"cpu": "meta", "*": "cpu"}),
    ("callable", {"*": None}),
]


def patched(data, tag):
    """The file with the tag that torch.save never writes: an empty one, and others that its tagger turns down."""
    placeholder = "place"

    def change(name, payload):
        if name != "data.pkl":
            return payload
        new = tag.encode("utf-8")
        return payload.replace(b"X\5\0\0\0place", b"X" + len(new).to_bytes(4, "little") + new)

    assert placeholder.encode() in data
    return writing.rezip(data, change, alignment=64)


def add(catalogue):
    shared = torch.arange(6.0)
    obj = {"w": shared, "view": shared[2:].view(2, 2), "n": torch.tensor([1, 2])}
    data = writing.saved_bytes(obj, tags="place")
    for tag in TAGS:
        name = "".join(c if c.isalnum() else "_" for c in tag) or "empty"
        name = "location_" + {
            "CUDA_0": "upper_cuda_0",
            "_cpu": "space_cpu",
            "cuda__1": "cuda_minus_1",
            "cuda_0_": "cuda_0_space",
        }.get(name, name)
        catalogue.write("locations", name, patched(data, tag), load=forms(tag))
    catalogue.save("locations", "location_cpu", obj, load=forms("cpu") + to_absent())
    obj, tags = mixed()
    catalogue.save("locations", "location_mixed", obj, tags=tags, load=MIXED_FORMS)
    model = torch.nn.Linear(3, 2).requires_grad_(False)
    torch.nn.init.constant_(model.weight, 0.5), torch.nn.init.constant_(model.bias, -1.0)
    catalogue.save("locations", "location_whole_model_cuda", model, tags="cuda:0", load=forms("cuda:0"))
    special = {
        "q": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "s": torch.eye(2).to_sparse(),
        "csr": torch.eye(2).to_sparse_csr(),
        "u16": torch.arange(3).to(torch.uint16),
        "p": torch.nn.Parameter(torch.ones(2)),
    }
    cuda_forms = [("none",), ("str", "cpu"), ("dict", {"cuda:1": "cpu"}), ("callable", {"*": "cpu"})]
    catalogue.save("locations", "location_special_cuda", special, tags="cuda:1", load=cuda_forms)


def messages():
    """torch.load's words for each way a device can be missing, index errors included."""
    out = {}
    data = writing.saved_bytes({"a": torch.ones(1)}, tags="cuda:7")

    def refusal(**options):
        try:
            torch.load(io.BytesIO(data), **options)
        except RuntimeError as error:
            return str(error)
        raise AssertionError("torch.load did not refuse")

    out["not_available"] = refusal()
    out["not_registered"] = refusal(map_location="hpu:0")
    out["unknown_location"] = refusal(map_location="foo")
    with unittest.mock.patch.object(torch.cuda, "is_available", lambda: True), unittest.mock.patch.object(
        torch.cuda, "device_count", lambda: 1
    ):
        out["no_such_index"] = refusal()
    return out
