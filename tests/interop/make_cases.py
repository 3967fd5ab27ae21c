#!/usr/bin/env python3
"""Makes every kind of checkpoint with real PyTorch, and cases.json: what PyTorch itself reads from each.

usage: make_cases.py OUT_DIR            (README.md describes the JSON; takes a few seconds)
"""

import pathlib
import sys
import time
import warnings

sys.dont_write_bytecode = True

import torch

from torch_cases import (
    containers,
    dtypes,
    formats,
    hostile_code,
    hostile_machine,
    hostile_tensors,
    hostile_zips,
    layouts,
    locations,
    models,
    nesting,
    old_files,
    several_files,
    training,
    views,
)
from torch_cases.catalogue import Catalogue


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    start = time.monotonic()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(7)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue(folder)
    for part in (
        dtypes,
        views,
        nesting,
        models,
        training,
        layouts,
        containers,
        locations,
        formats,
        old_files,
        several_files,
        hostile_zips,
        hostile_code,
        hostile_machine,
        hostile_tensors,
    ):
        part.add(catalogue)
    summary = catalogue.finish("cases.json", messages=locations.messages())
    print("%s, %.1f s" % (summary, time.monotonic() - start))


if __name__ == "__main__":
    main()
