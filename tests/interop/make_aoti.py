#!/usr/bin/env python3
"""Has real PyTorch compile a model with AOTInductor (torch.export, g++), for AotiModule.

usage: make_aoti.py OUT_DIR

  net.pt2           the compiled model, two inputs, first dimension dynamic; constants in the library
  net.pth           a state dict with other weights, as torch.save writes it
  net_run.pth       {"images", "scale", "scores", "sums"}: inputs, and the eager model's answers with the weights of net.pth
  net_before.pth    the same answers with the weights that net.pt2 was compiled with
  exported.pt2      the exported program itself, uncompiled: torch.export.save

Prints "no compiler: …" and ends with status 3 where there is no C++ compiler.
"""

import os
import pathlib
import shutil
import sys
import warnings

sys.dont_write_bytecode = True

import torch
from torch import nn


class Block(nn.Module):
    """A residual block like a ResNet's."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(x + self.bn(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.offset = nn.Parameter(torch.randn(8, 4).t())  # not contiguous
        self.register_buffer("ramp", torch.randn(4))
        self.fc = nn.Linear(8, 4)

    def forward(self, images, scale):
        pooled = self.blocks(self.stem(images)).mean((2, 3))
        scores = (self.fc(pooled) + pooled @ self.offset.t()) * scale + self.ramp
        return scores, {"sums": scores.sum(1)}


def made(seed):
    torch.manual_seed(seed)
    model = Net().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(9)
    return model


def answers(model, images, scale):
    with torch.inference_mode():
        scores, more = model(images, scale)
    return {"images": images, "scale": scale, "scores": scores, **more}


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        print("no compiler: AOTInductor needs " + compiler)
        sys.exit(3)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
    warnings.simplefilter("ignore")
    before, after = made(1), made(2)
    images, scale = torch.randn(2, 3, 16, 16), torch.randn(2, 1)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(before, (images, scale), dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(program, str(folder / "exported.pt2"))
    torch._inductor.aoti_compile_and_package(
        program, package_path=str(folder / "net.pt2"),
        inductor_configs={
            "freezing": False,  # constants keep their names
            "always_keep_tensor_constants": True,  # and none of them becomes a part of the code
            "aot_inductor.metadata": {"trained": "today"},
            # Time to compile, not to run, is what matters here.
            "aot_inductor.precompile_headers": False,
            "aot_inductor.compile_wrapper_opt_level": "O0",
            "compile_threads": 1,
        })
    torch.save(after.state_dict(), str(folder / "net.pth"))
    inputs = torch.randn(5, 3, 16, 16), torch.randn(5, 1)
    torch.save(answers(after, *inputs), str(folder / "net_run.pth"))
    torch.save(answers(before, *inputs), str(folder / "net_before.pth"))
    print("%d bytes" % (folder / "net.pt2").stat().st_size)


if __name__ == "__main__":
    main()
