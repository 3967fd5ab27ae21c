#!/usr/bin/env python3
"""Trains the small network of `./torchferry demo` and writes the demo's three files, as a GPU machine would leave them.

usage: make_demo.py [OUT_DIR]           (default: where the command line module keeps them)

  model_gpu.pth   {"epoch", "classes", "model": state_dict, "optimizer": state_dict}, every storage tagged cuda:0
  model.ts        TorchScript of the same structure with fresh weights, for the CPU
  expected.pth    {"input", "output"}: what the trained network answers in eval mode, for the CPU
"""

import io
import os
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

import torch
from torch import nn
from torch.nn import functional

from torch_cases import rawzip, writing

FOLDER = "java/cli/src/main/resources/io/torchferry/cli/demo"
CLASSES = ["horizontal", "vertical", "falling", "rising"]
SIDE = 16


class LineNet(nn.Module):
    """Tells in which direction a noisy line runs."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.hidden = nn.Linear(16 * (SIDE // 4) ** 2, 64)
        self.classes = nn.Linear(64, len(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = functional.max_pool2d(torch.relu(self.norm1(self.conv1(images))), 2)
        images = functional.max_pool2d(torch.relu(self.norm2(self.conv2(images))), 2)
        return self.classes(torch.relu(self.hidden(images.flatten(1))))


def lines(count, generator):
    """Noisy pictures of lines, and the index of each one's class."""
    labels = torch.randint(0, len(CLASSES), (count,), generator=generator)
    shifts = torch.randint(-4, 5, (count,), generator=generator)
    row, column = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    middle = SIDE // 2
    distance = torch.stack([row - middle, column - middle, row - column, row + column - SIDE])[labels]
    picture = ((distance - shifts[:, None, None]).abs() <= 1).float()
    return (picture + 0.4 * torch.randn(count, SIDE, SIDE, generator=generator)).unsqueeze(1), labels


def train(model, generator, steps=80):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(steps):
        images, labels = lines(64, generator)
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return optimizer


def script_bytes(model):
    """TorchScript without its debug records, which hold this machine's paths, and without the identity of those."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(model), buffer)
    return rawzip.build(
        [
            rawzip.Entry(name, payload, alignment=64)
            for name, payload in rawzip.read(buffer.getvalue())
            if not name.endswith((".debug_pkl", "serialization_id"))
        ]
    )


def main():
    if os.environ.get("PYTHONHASHSEED") != "0":  # TorchScript writes constants in the order of a set
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    if len(sys.argv) > 2 or sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = (
        pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path(__file__).resolve().parents[2] / FOLDER
    )
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(2)
    trained, fresh = LineNet(), LineNet()
    optimizer = train(trained, generator)
    trained.eval()
    images, labels = lines(8, generator)
    with torch.no_grad():
        answers = trained(images)
    checkpoint = {
        "epoch": 3,
        "classes": CLASSES,
        "model": trained.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    writing.save(checkpoint, str(folder / "model_gpu.pth"), tags="cuda:0")
    (folder / "model.ts").write_bytes(script_bytes(fresh))
    writing.save({"input": images, "output": answers}, str(folder / "expected.pth"))
    right = int((answers.argmax(1) == labels).sum())
    size = sum((folder / name).stat().st_size for name in ("model_gpu.pth", "model.ts", "expected.pth"))
    print("%d of %d lines told right; %d bytes in %s" % (right, len(labels), size, folder))


if __name__ == "__main__":
    main()
