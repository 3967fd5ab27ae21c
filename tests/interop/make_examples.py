#!/usr/bin/env python3
"""Writes the files of the examples with real PyTorch: a small network that tells flowers by four lengths.

usage: make_examples.py [OUT_DIR]           (default: examples/data)

  model.ts             TorchScript of the network with fresh weights, for the CPU
  cpu.pth, gpu.pth     its trained state dict, tagged cpu and cuda:0
  whole_model.pth      torch.save(model), tagged cuda:0
  several.pth          {"epoch", "models": {"first", "second"}, "optimizer"}, tagged cuda:1
  data_parallel.pth    the state dict of DataParallel(model), tagged cuda:1
  expected.pth         what the network answers to the examples' flower: {"trained", "first", "second"}
"""

import os
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

import torch
from torch import nn

from make_demo import script_bytes
from torch_cases import writing

FLOWER = [[5.1, 3.5, 1.4, 0.2]]


class FlowerNet(nn.Module):
    """Tells three kinds of flowers by the lengths of their leaves."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.kinds = nn.Linear(8, 3)

    def forward(self, lengths: torch.Tensor) -> torch.Tensor:
        return self.kinds(torch.relu(self.norm(self.hidden(lengths))))


def trained(seed):
    """A network after a few steps on made-up flowers, and its optimizer."""
    torch.manual_seed(seed)
    model = FlowerNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    middles = torch.tensor([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    for _ in range(40):
        kinds = torch.randint(0, 3, (32,))
        flowers = middles[kinds] + 0.3 * torch.randn(32, 4)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(flowers), kinds).backward()
        optimizer.step()
    return model.eval(), optimizer


def main():
    if os.environ.get("PYTHONHASHSEED") != "0":  # TorchScript writes constants in the order of a set
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    if len(sys.argv) > 2 or sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    top = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(sys.argv[1]) if sys.argv[1:] else top / "examples" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model, optimizer = trained(1)
    first, second = trained(2)[0], trained(3)[0]
    path = lambda name: str(folder / name)
    (folder / "model.ts").write_bytes(script_bytes(FlowerNet()))
    writing.save(model.state_dict(), path("cpu.pth"))
    writing.save(model.state_dict(), path("gpu.pth"), tags="cuda:0")
    writing.save(model, path("whole_model.pth"), tags="cuda:0")
    several = {
        "epoch": 7,
        "models": {"first": first.state_dict(), "second": second.state_dict()},
        "optimizer": optimizer.state_dict(),
    }
    writing.save(several, path("several.pth"), tags="cuda:1")
    writing.save(nn.DataParallel(model).state_dict(), path("data_parallel.pth"), tags="cuda:1")
    with torch.no_grad():
        answers = {
            name: one(torch.tensor(FLOWER)) for name, one in (("trained", model), ("first", first), ("second", second))
        }
    writing.save(answers, path("expected.pth"))
    print({name: answer.tolist() for name, answer in answers.items()})


if __name__ == "__main__":
    main()
