#!/usr/bin/env python3
"""Writes what torchvision's ResNets are: names and shapes of all five, and weights, inputs and answers of two.

usage: make_resnets.py OUT_DIR

  resnets.json                         {name: [[key, shape, dtype], ...]} in state_dict order
  resnet18.pth, resnet50.pth           state dicts with weights and statistics that are not the initial ones
  resnet18_run.pth, resnet50_run.pth   {"input", "output"} in eval mode

Needs torchvision beside torch. Its compiled operators do not load with every build of PyTorch; its models need none.
"""

import json
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

import torch

NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


def torchvision_models():
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    real = torch.library.register_fake

    def without_torchvisions(name, *arguments, **options):
        if str(name).startswith("torchvision::"):
            return lambda function: function
        return real(name, *arguments, **options)

    torch.library.register_fake = without_torchvisions
    from torchvision import models

    return models, library


def trained(model):
    """Gives the batch norms statistics and weights as after training; fresh ones would hide mistakes."""
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.weight.data.uniform_(0.5, 1, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
            module.num_batches_tracked.fill_(9)
    return model.eval()


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    models, library = torchvision_models()
    lists = {}
    for name in NAMES:
        with torch.device("meta"):
            state = getattr(models, name)().state_dict()
        lists[name] = [[key, list(t.shape), str(t.dtype).replace("torch.", "")] for key, t in state.items()]
    (folder / "resnets.json").write_text(json.dumps(lists), encoding="ascii")
    for name in ("resnet18", "resnet50"):
        torch.manual_seed(4)
        model = trained(getattr(models, name)())
        torch.save(model.state_dict(), str(folder / (name + ".pth")))
        images = torch.randn(2, 3, 96, 96)
        with torch.inference_mode():
            answers = model(images)
        torch.save({"input": images, "output": answers}, str(folder / (name + "_run.pth")))
    print(", ".join("%s: %d tensors" % (name, len(state)) for name, state in lists.items()))


if __name__ == "__main__":
    main()
