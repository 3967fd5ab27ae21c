"""Files as PyTorch before 1.0 wrote them: tar archives (0.1), and what only old legacy files have.

Written by hand after the format's description; real PyTorch still reads them, and says what is in them.
"""

import collections
import io
import itertools
import pickle
import struct
import tarfile
import warnings

import torch
from torch import nn

from . import dtypes, models, nesting
from .opcodes import call, dict_of, integer, list_of, named, numbers, pickled, sequence, text

CLASSES = {  # the element types of PyTorch 0.1
    torch.uint8: "Byte",
    torch.int8: "Char",
    torch.int16: "Short",
    torch.int32: "Int",
    torch.int64: "Long",
    torch.float16: "Half",
    torch.float32: "Float",
    torch.float64: "Double",
}
FIRST_KEY = 94000000000016  # keys were addresses


class TarPickler(pickle.Pickler):
    """Leaves tensors, storages and module classes to persistent ids, as PyTorch 0.1 did."""

    def __init__(self, target, file):
        super().__init__(target, 2)
        self.file = file

    def persistent_id(self, obj):
        if isinstance(obj, nn.Parameter):
            return None
        if isinstance(obj, torch.Tensor):
            return str(self.file.tensor_key(obj))
        if isinstance(obj, type) and issubclass(obj, nn.Module) and obj not in self.file.classes:
            self.file.classes.add(obj)
            return (obj, "model.py", "class %s(nn.Module): pass\n" % obj.__name__)
        return None

    def reducer_override(self, obj):
        if isinstance(obj, nn.Parameter):
            state = (obj.requires_grad, False, collections.OrderedDict())
            return nn.Parameter, (self.file.data_of(obj),), state
        return NotImplemented


class TarFile:
    """Collects storages and tensors while an object is pickled, then writes the archive."""

    def __init__(self, location="cpu", parts=()):
        self.location = location
        self.parts = parts  # tensors whose storage is to be a view, with (offset, length) in the root
        self.keys = itertools.count(FIRST_KEY, 16)
        self.storages, self.tensors, self.data, self.views, self.classes = {}, {}, {}, [], set()

    def data_of(self, parameter):
        return self.data.setdefault(id(parameter), (parameter.data, parameter))[0]

    def storage_key(self, tensor):
        storage = tensor.untyped_storage()
        return self.storages.setdefault(storage._cdata, (next(self.keys), storage, tensor.dtype))[0]

    def tensor_key(self, tensor):
        if id(tensor) not in self.tensors:
            key, storage, offset = next(self.keys), self.storage_key(tensor), tensor.storage_offset()
            for part, first, length in self.parts:
                if part is tensor:
                    view = next(self.keys)
                    self.views.append((view, storage, first, length))
                    storage, offset = view, offset - first
            self.tensors[id(tensor)] = (key, storage, offset, tensor)
        return self.tensors[id(tensor)][0]

    def storages_member(self):
        out = [pickled(integer(len(self.storages)))]
        for key, storage, dtype in self.storages.values():
            kind = named("torch.%sStorage" % CLASSES[dtype])
            out.append(pickled(sequence(integer(key), text(self.location), kind)))
            content = bytes(storage.tolist())
            out.append(struct.pack("<q", len(content) // dtype.itemsize) + content)
        out.append(pickled(list_of(*(sequence(*map(integer, view)) for view in self.views))))
        return b"".join(out)

    def tensors_member(self):
        out = [pickled(integer(len(self.tensors)))]
        for key, storage, offset, tensor in self.tensors.values():
            kind = named("torch.%sTensor" % CLASSES[tensor.dtype])
            out.append(pickled(sequence(integer(key), integer(storage), kind)))
            out.append(struct.pack("<ii", tensor.dim(), 0))
            out.append(struct.pack("<%dq" % (2 * tensor.dim()), *tensor.shape, *tensor.stride()))
            out.append(struct.pack("<q", offset))
        return b"".join(out)

    def write(self, obj):
        target = io.BytesIO()
        TarPickler(target, self).dump(obj)
        system = pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2)
        members = {
            "sys_info": system,
            "pickle": target.getvalue(),
            "tensors": self.tensors_member(),
            "storages": self.storages_member(),
        }
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(content), 1483228800.25  # not whole: an extended header
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()


def tar_bytes(obj, **options):
    return TarFile(**options).write(obj)


def tar_training():
    """A state dict with tied weights, and what surrounds it."""
    torch.manual_seed(40)
    weight = torch.randn(3, 4)
    state = collections.OrderedDict([("first.weight", weight), ("tied.weight", weight), ("flat", weight.view(-1)[2:5])])
    state["transposed"] = weight.t()
    return {"epoch": 3, "model": state, "betas": (0.9, 0.999), "names": ["a", "é"], "none": None, "empty": torch.empty(0)}


def add_tar(catalogue):
    add = lambda name, data, **more: catalogue.write("tar", "tar_" + name, data, format="tar", **more)
    add("training", tar_bytes(tar_training()))
    add("dtypes", tar_bytes({kind: dtypes.random_bits(t, 6, i).view(2, 3) for i, (t, kind) in enumerate(CLASSES.items())}))
    add(
        "cuda",
        tar_bytes({"w": torch.arange(4.0)}, location="cuda:0"),
        load=[("none",), ("str", "cpu"), ("dict", {"cuda:0": "cpu"}), ("callable", {"*": "cpu"})],
    )
    torch.manual_seed(41)
    add("parameters", tar_bytes(list(models.small().parameters())))
    add("whole_model", tar_bytes(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))))
    add("bare", tar_bytes(torch.arange(6).view(3, 2)))
    add("content", tar_bytes(nesting.numbers()))
    whole = torch.arange(12.0)
    part = whole[4:10]
    case = add("storage_view", tar_bytes({"whole": whole, "part": part[1:3]}))
    assert case["tensors"][1]["storage_offset"] == 5
    data = tar_bytes({"whole": whole, "part": part}, parts=[(part, 4, 6)])
    case = add("storage_part", data, note="PyTorch makes a storage of its own of the part, on the same memory")
    # Here both are views of the one storage that the file has.
    case["tensors"][1].update(storage_offset=4, storage_nbytes=48, group=0, location="cpu")


def legacy_file(object_pickle, storages, little_endian=True):
    """A legacy file made by hand; `storages` are (key, number of elements, bytes) in the order of the key list."""
    system = dict_of(
        (text("protocol_version"), integer(1001)), (text("little_endian"), b"\x88" if little_endian else b"\x89")
    )
    head = [
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
        pickled(integer(1001)),
        pickled(system),
        object_pickle,
        pickled(list_of(*(text(key) for key, _, _ in storages))),
    ]
    return b"".join(head) + b"".join(struct.pack("<q", count) + content for _, count, content in storages)


def python2(value):
    """A string as Python 2 pickled its str."""
    return b"U" + bytes([len(value)]) + value


def legacy_tensor(key, count, offset, size, stride, view=b"N", string=text):
    storage = sequence(
        string("storage"), named("torch.FloatStorage"), string(key), string("cpu"), integer(count), view
    )
    return call(
        "torch._utils._rebuild_tensor", storage + b"Q", integer(offset), numbers(*size), numbers(*stride)
    )


def floats(*values):
    return struct.pack("<%df" % len(values), *values)


def add_legacy(catalogue, group="legacy"):
    add = lambda name, data, **more: catalogue.write(group, "legacy_" + name, data, format="legacy", **more)
    six = [("5", 6, floats(*range(6)))]
    good = pickled(dict_of((text("w"), legacy_tensor("5", 6, 1, (2, 2), (2, 1)))))
    add("rebuild_tensor_v1", legacy_file(good, six))
    add(
        "big_endian_machine",
        legacy_file(good, six, little_endian=False),
        note="written on a big-endian machine: the bytes of storages are little-endian there too",
    )
    string = lambda value: python2(value.encode())
    two = dict_of(
        (string("weight"), legacy_tensor("5", 6, 0, (6,), (1,), string=string)),
        (string("name"), python2("naïve".encode())),
        (string("long"), b"T" + struct.pack("<i", 300) + b"y" * 300),
    )
    add("python2_strings", legacy_file(pickled(two), six))
    view = sequence(text("view"), integer(2), integer(3))
    viewed = pickled(
        list_of(legacy_tensor("5", 6, 0, (6,), (1,)), legacy_tensor("5", 6, 1, (2,), (1,), view=view))
    )
    case = add("storage_part", legacy_file(viewed, six), note="a view of a storage, as only PyTorch 0.1 and 0.2 wrote it")
    case["tensors"][1].update(storage_offset=3, storage_nbytes=24, group=0, location="cpu")
    first = legacy_file(pickled(dict_of((text("a"), legacy_tensor("5", 6, 0, (6,), (1,))))), six)
    second = legacy_file(pickled(dict_of((text("b"), legacy_tensor("7", 2, 0, (2,), (1,))))), [("7", 2, floats(8, 9))])
    note = "torch.load reads the first; the next call on the open file the second"
    case = add("several_saves", first + second, note=note)
    case["saves"] = 2
    catalogue.other_save(case, "legacy_several_saves_second", 1)


def add_one_open_file(catalogue, group="legacy"):
    """What a program leaves that calls torch.save on one open file again and again, in the legacy format."""
    torch.manual_seed(5)
    shared = torch.arange(8.0)
    objects = [
        {"epoch": 1, "state": nn.Linear(2, 2).state_dict()},
        [shared, shared[2:4], torch.ones(3, dtype=torch.float16)],
        nn.Linear(2, 3),
        "no tensor at all",
    ]
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for item in objects:
            torch.save(item, file, _use_new_zipfile_serialization=False)
    case = catalogue.write(group, "legacy_one_open_file", file.getvalue(), format="legacy")
    case["saves"] = len(objects)
    for index in range(1, len(objects)):
        catalogue.other_save(case, "legacy_one_open_file_%d" % index, index)


def add(catalogue):
    add_tar(catalogue)
    add_legacy(catalogue)
    add_one_open_file(catalogue)
