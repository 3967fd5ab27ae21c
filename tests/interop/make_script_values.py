#!/usr/bin/env python3
"""Writes values.ts, a TorchScript module whose methods take and give values of every kind.

usage: make_script_values.py [OUT_DIR]      (default: tests/java/core/resources/fixtures)
"""

import os
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

from typing import Dict, List, Optional, Tuple

import torch
from torch import nn

from make_demo import script_bytes


class Values(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("offset", torch.tensor([10.0, 20.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight + self.offset

    @torch.jit.export
    def scalars(self, i: int, f: float, b: bool, s: str) -> Tuple[int, float, bool, str]:
        return i + 1, f * 2, not b, s + "!"

    @torch.jit.export
    def total(self, xs: List[torch.Tensor], scale: float = 1.0, bias: int = 0) -> torch.Tensor:
        result = torch.zeros(2)
        for x in xs:
            result = result + x
        return result * scale + bias

    @torch.jit.export
    def backwards(self, xs: List[int]) -> List[int]:
        return xs[::-1]

    @torch.jit.export
    def largest(self, xs: List[float]) -> Optional[float]:
        return None if len(xs) == 0 else max(xs)

    @torch.jit.export
    def grouped(self, groups: Dict[str, List[torch.Tensor]]) -> Dict[str, Tuple[torch.Tensor, int]]:
        result: Dict[str, Tuple[torch.Tensor, int]] = {}
        for name, tensors in groups.items():
            result[name] = (torch.stack(tensors).sum(0), len(tensors))
        return result

    @torch.jit.export
    def maybe(self, x: Optional[torch.Tensor], n: Optional[int] = None) -> Optional[torch.Tensor]:
        if x is None:
            return None
        return x if n is None else x * n

    @torch.jit.export
    def words(self, by_number: Dict[int, str]) -> List[str]:
        return [by_number[n] for n in range(len(by_number))]

    @torch.jit.export
    def inner(self, pair: Tuple[torch.Tensor, Tuple[int, str]]) -> Tuple[str, Tuple[int, torch.Tensor]]:
        return pair[1][1], (pair[1][0], pair[0])

    @torch.jit.export
    def fails(self, x: int) -> int:
        if x > 0:
            raise RuntimeError("told so")
        return x


def main():
    if os.environ.get("PYTHONHASHSEED") != "0":  # TorchScript writes constants in the order of a set
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    if len(sys.argv) > 2 or sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    top = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(sys.argv[1]) if sys.argv[1:] else top / "tests/java/core/resources/fixtures"
    warnings.simplefilter("ignore")
    (folder / "values.ts").write_bytes(script_bytes(Values()))


if __name__ == "__main__":
    main()
