#!/usr/bin/env python3
"""Asks real PyTorch what load_state_dict does and says, for modules and state dicts of every kind.

usage: make_state_dict_loads.py OUT_DIR

Writes for each case NAME.ts (the module in TorchScript), NAME.pth (what is loaded into it), NAME_after.pth (the module's
state_dict afterwards), and loads.json: a list of {"name", "strict", "assign", "meta", "missing_keys", "unexpected_keys",
"error", "warnings"}; "error" is PyTorch's text or null, "meta" says that the module is put on the meta device first.
"""

import collections
import json
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

import numpy
import torch
from torch import nn


class Net(nn.Module):
    """Layers of every kind that has a rule of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
        self.body = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.register_buffer("steps", torch.tensor([1, 2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) * self.scale + self.frozen


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(3, 2)
        self.head = nn.Linear(2, 3, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x))


class Styled(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(2, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def filled(model):
    """A state dict of the model with other values."""
    state = model.state_dict()
    for value in state.values():
        value.copy_(torch.full(value.shape, 7))
    return state


def changed(remove=(), plain=False, **values):
    """A state dict of Net; `values` replaces or adds, a double underscore standing for the dot."""

    def make():
        state = filled(Net())
        for key in remove:
            del state[key]
        for key, value in values.items():
            state[key.replace("__", ".")] = value
        return collections.OrderedDict(state) if plain else state

    return Net, make


def old_instance_norm():
    state = collections.OrderedDict(filled(Styled()))
    state["norm.running_mean"], state["norm.running_var"] = torch.zeros(2), torch.ones(2)
    return state


class Expanded(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("wide", torch.zeros(1).expand(3))
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


def into_expanded():
    return {"wide": torch.ones(3), "weight": torch.full((2,), 7.0)}


def conflicting():
    return {"head.weight": torch.full((3, 2), 1.0), "embed.weight": torch.full((3, 2), 2.0)}


MANY = dict(zz=torch.zeros(1), body__0=torch.zeros(1), body__0__foo__bar=torch.zeros(1), body=torch.zeros(1),
            steps__x=torch.zeros(1), body__1___extra_state=torch.zeros(1), other__a=torch.zeros(1))

CASES = {
    "all_match": (*changed(), {}),
    "missing": (*changed(remove=["body.0.bias", "scale", "steps"]), {}),
    "unexpected": (*changed(**MANY), {}),
    "both_and_sizes": (*changed(remove=["scale"], zz=torch.zeros(1), body__0__bias=torch.zeros(5), steps=torch.zeros(2, 1)), {}),
    "both_not_strict": (*changed(remove=["scale"], **MANY), {"strict": False}),
    "sizes_not_strict": (*changed(remove=["scale"], body__0__weight=torch.zeros(2, 4)), {"strict": False}),
    "one_element": (*changed(scale=torch.tensor([5.0])), {}),
    "one_element_two_dimensions": (*changed(scale=torch.tensor([[5.0]])), {}),
    "scalar_into_one": (*changed(frozen=torch.tensor(5.0)), {}),
    "dtypes": (*changed(body__0__weight=torch.rand(2, 3, dtype=torch.float64), steps=torch.tensor([2.75, -2.75]),
                        frozen=torch.tensor([3, 4])), {}),
    "complex": (*changed(frozen=torch.tensor([1 + 2j, 3 - 1j])), {}),
    "half": (*changed(body__0__weight=torch.rand(2, 3, dtype=torch.bfloat16)), {}),
    "old_batch_norm": (*changed(remove=["body.1.num_batches_tracked"], plain=True), {}),
    "modern_batch_norm": (*changed(remove=["body.1.num_batches_tracked"]), {}),
    "old_instance_norm": (Styled, old_instance_norm, {}),
    "tied": (Tied, conflicting, {}),
    "tied_assign": (Tied, conflicting, {"assign": True}),
    "expanded_destination": (Expanded, into_expanded, {}),
    "no_tensors": (*changed(scale=2.5, body__0__weight=[1, 2], steps=None, frozen="text", body__0__bias=(1, 2),
                            body__1__weight={"a": 1}, body__1__bias=collections.OrderedDict(a=1),
                            body__1__running_mean=numpy.zeros(2), body__1__running_var=True), {}),
    "no_tensors_not_strict": (*changed(scale=3, steps=b"bytes", epoch=7), {"strict": False}),
    "other_items": (*changed(epoch=7, body__loss=[0.5, 0.25], zz=torch.zeros(1), optimizer={"lr": 0.1}, last=None), {}),
    "extra_state": (*changed(_extra_state={"a": 1}, body__0___extra_state=torch.zeros(1), body__1___extra_state=3), {}),
    "sparse": (*changed(body__0__weight=torch.eye(3)[:2].to_sparse()), {}),
    "meta_source": (*changed(body__0__weight=torch.zeros(2, 3, device="meta")), {}),
    "quantized": (*changed(frozen=torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)), {}),
    "assign": (*changed(), {"assign": True}),
    "assign_dtypes": (*changed(body__0__weight=torch.rand(2, 3, dtype=torch.float64), frozen=torch.tensor([3, 4])),
                      {"assign": True}),
    "assign_integers": (*changed(body__0__weight=torch.ones(2, 3, dtype=torch.int32)), {"assign": True}),
    "assign_sizes": (*changed(body__0__weight=torch.ones(2, 4), zz=torch.zeros(1)), {"assign": True}),
    "meta_module": (*changed(), {"meta": True}),
    "meta_module_assign": (*changed(), {"meta": True, "assign": True}),
    "meta_module_assign_old": (*changed(remove=["body.1.num_batches_tracked"], plain=True),
                               {"meta": True, "assign": True}),
}


def ask(name, model_class, make, folder, strict=True, assign=False, meta=False):
    torch.manual_seed(3)
    model, state = model_class(), make()
    torch.jit.script(model).save(str(folder / (name + ".ts")))
    torch.save(state, str(folder / (name + ".pth")))
    if meta:
        model = model.to("meta")
    case = {"name": name, "strict": strict, "assign": assign, "meta": meta, "error": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            keys = model.load_state_dict(state, strict=strict, assign=assign)
            case.update(missing_keys=keys.missing_keys, unexpected_keys=keys.unexpected_keys)
            torch.save(model.state_dict(), str(folder / (name + "_after.pth")))
        except RuntimeError as error:
            case.update(missing_keys=[], unexpected_keys=[], error=str(error))
    case["warnings"] = [str(one.message) for one in caught if "meta parameter" in str(one.message)]
    return case


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cases = [ask(name, model, make, folder, **options) for name, (model, make, options) in CASES.items()]
    (folder / "loads.json").write_text(json.dumps(cases, indent=1), encoding="ascii")
    print("%d loads" % len(cases))


if __name__ == "__main__":
    main()
