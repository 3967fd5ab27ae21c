"""Loads a file with PyTorch and writes down what came out: the `tensors`, `content` and `load` parts of a case."""

import collections
import warnings

import torch

from . import encoding, tensors

MESSAGES = {  # what a message of torch.load says is wrong, as the JSON calls it
    "Attempting to deserialize object on": "device_unavailable",
    "device module is not registered": "device_unavailable",
    "Storage device not recognized": "device_unavailable",
    "don't know how to restore data location": "unknown_location",
    "Invalid device string": "invalid_device",
}


def leaves(value, path=(), around=()):
    """(path, tensor) for each tensor of the content, depth first, in PyTorch's own order."""
    if any(value is outer for outer in around):
        return
    around = around + (value,)
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, torch.nn.Module):
        for name, tensor in value.state_dict(keep_vars=True).items():
            yield path + (name,), tensor
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, path + (str(key),), around)
    elif isinstance(value, (list, tuple, collections.deque)):
        for index, item in enumerate(value):
            yield from leaves(item, path + (str(index),), around)
    elif is_opaque(value):
        for name, item in vars(value).items():
            yield from leaves(item, path + (name,), around)


def is_opaque(value):
    """An object whose attributes are its state, unlike a class or a function."""
    return hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value)


class Locations:
    """A map_location that leaves every storage on the CPU and remembers the saved tags."""

    def __init__(self):
        self.storages = []  # keeps them alive, so that addresses stay distinct
        self.tags = {}
        self.order = []

    def __call__(self, storage, location):
        self.storages.append(storage)
        self.tags[storage._cdata] = location
        if location not in self.order:
            self.order.append(location)
        return storage

    def of(self, tensor):
        if tensor.is_meta:
            return "meta"
        found = {self.tags.get(part.untyped_storage()._cdata) for part in tensors.parts(tensor)}
        return found.pop() if len(found) == 1 else None


def torch_load(path, map_location=None, weights_only=False, save_index=0):
    """What torch.load gives; with a save_index, what it gives after so many calls on the open file."""
    with warnings.catch_warnings(), open(path, "rb") as file:
        warnings.simplefilter("ignore")
        for _ in range(save_index):
            torch.load(file, map_location="cpu", weights_only=False)
        return torch.load(file if save_index else path, map_location=map_location, weights_only=weights_only)


def describe_tensors(pairs, location_of):
    """`pairs` are (path, tensor). Numbers sharing groups and objects in the order they appear."""
    groups, objects, rows = {}, {}, []
    for path, tensor in pairs:
        row = {"key": ".".join(path), "path": list(path), "location": location_of(tensor)}
        row.update(tensors.describe(tensor))
        row["group"] = None
        if row["storage_nbytes"] and not tensor.is_meta:
            row["group"] = groups.setdefault(tensor.untyped_storage()._cdata, len(groups))
        row["object"] = objects.setdefault(id(tensor), len(objects))
        rows.append(row)
    return rows


def distinct(locations):
    return list(dict.fromkeys(location for location in locations if location is not None))


def observe(path, protocol=2, save_index=0):
    """What torch.load gives for a file of torch.save."""
    locations = Locations()
    loaded = torch_load(path, locations, save_index=save_index)
    rows = describe_tensors(list(leaves(loaded)), locations.of)
    return {
        "locations": distinct([row["location"] for row in rows] + locations.order),
        "tensors": rows,
        "content": encoding.Encoder(protocol).encode(loaded),
    }


def weights_only(path, save_index=0):
    """Whether torch.load(weights_only=True) reads the file, and the globals that it does not allow."""
    try:
        torch_load(path, torch.device("cpu"), weights_only=True, save_index=save_index)
        accepted = True
    except Exception:  # the unpickler raises whatever the constructors raise
        accepted = False
    try:
        unsafe = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # opcodes beyond its own, or not a zip
        unsafe = None
    return {"weights_only": accepted, "unsafe_globals": unsafe}


def to_python(form, value, calls):
    """The Python map_location that a `map_location` of the JSON stands for."""
    if form == "none":
        return None
    if form == "str":
        return value
    if form == "device":
        return torch.device(value)
    if form == "dict":
        return dict(value)

    def answer(storage, location):
        calls.append(location)
        target = value.get(location, value.get("*"))
        return (
            None
            if target is None
            else storage if target == "cpu" else torch.UntypedStorage(storage.nbytes(), device=target)
        )

    return answer


def kind_of(message):
    return next((kind for text, kind in MESSAGES.items() if text in message), "other")


def observe_load(path, form, value=None, lenient=None):
    """One `load` entry: where PyTorch puts each tensor under a map_location, or how it refuses.

    `lenient` are the devices (one for all, or by key) that our loader gives where PyTorch is needlessly strict.
    """
    calls = []
    entry = {"map_location": {"form": form, "value": value}}
    try:
        loaded = torch_load(path, to_python(form, value, calls))
        entry["expect"] = {"devices": {".".join(p): str(t.device) for p, t in leaves(loaded)}}
    except Exception as error:  # PyTorch refuses with RuntimeError, TypeError and others
        message = str(error).splitlines()[0]
        entry["expect"] = {
            "error": {"kind": kind_of(message), "type": type(error).__name__, "message": message}
        }
    if form == "callable":
        entry["calls"] = calls
    if lenient is not None:
        entry["lenient"] = lenient
    return entry
