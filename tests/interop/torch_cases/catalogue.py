"""Collects cases: writes each file, asks PyTorch what is in it, and at the end writes the JSON."""

import json
import pathlib
import platform
import re

import numpy
import torch

from . import observe, writing

SCHEMA = 1


class Catalogue:
    """Files go to `folder`/<group>/<name>.<extension>, names in the JSON are relative to `folder`."""

    def __init__(self, folder, flat=False):
        self.folder = pathlib.Path(folder)
        self.flat = flat
        self.cases, self.refusals, self.names = [], [], set()

    def path(self, group, name, extension="pt"):
        if name in self.names or not re.fullmatch(r"[a-z0-9_]+", name):
            raise ValueError("case name %r" % name)
        self.names.add(name)
        folder = self.folder if self.flat else self.folder / group
        folder.mkdir(parents=True, exist_ok=True)
        return folder / ("%s.%s" % (name, extension))

    def relative(self, path):
        return path.relative_to(self.folder).as_posix()

    def save(self, group, name, obj, *, load=(), ours=None, note=None, **options):
        """A case saved by torch.save; `options` are those of writing.save."""
        path = self.path(group, name)
        writing.save(obj, str(path), **options)
        return self.record(
            group,
            path,
            "legacy" if options.get("legacy") else "zip",
            load=load,
            ours=ours,
            note=note,
            protocol=options.get("protocol", 2),
        )

    def write(self, group, name, data, *, load=(), ours=None, note=None, protocol=2, format="zip"):
        """A case whose bytes are given; torch.load must read it."""
        path = self.path(group, name)
        path.write_bytes(data)
        return self.record(group, path, format, load=load, ours=ours, note=note, protocol=protocol)

    def other_save(self, case, name, save_index):
        """A case of its own for a later save in the file of a case."""
        path = self.folder / case["file"]
        other = {"name": name}
        other.update((key, case[key]) for key in ("group", "file", "format", "protocol", "saves"))
        other.update(save_index=save_index, load=[])
        other.update(observe.observe(str(path), case["protocol"], save_index))
        other.update(observe.weights_only(str(path), save_index))
        return self.add(other)

    def record(self, group, path, format, *, load, ours, note, protocol):
        case = {
            "name": path.stem,
            "group": group,
            "file": self.relative(path),
            "format": format,
            "protocol": protocol,
        }
        case.update(observe.observe(str(path), protocol))
        case.update(observe.weights_only(str(path)))
        case["load"] = [observe.observe_load(str(path), *form) for form in load]
        return self.add(case, ours, note)

    def add(self, case, ours=None, note=None):
        if ours is not None:
            case["ours"] = ours
        if note is not None:
            case["note"] = note
        self.cases.append(case)
        return case

    def refuse(self, group, name, data, expect, *, accept=(), extension="pt", **more):
        """A file to be refused: `expect` is the error, or "fine"; `accept` are other answers that are as good."""
        path = self.path(group, name, extension)
        if data is not None:
            path.write_bytes(data)
        entry = {
            "name": name,
            "group": group,
            "file": self.relative(path),
            "expect": expect,
            "accept": [expect, *accept],
        }
        entry.update(more)
        self.refusals.append(entry)
        return entry

    def finish(self, file_name, messages=None):
        head = {
            "schema": SCHEMA,
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            "messages": messages or {},
        }
        lines = [json.dumps(head)[:-1]]
        for name, entries in (("cases", self.cases), ("bad", self.refusals)):
            lines.append(', "%s": [\n%s\n]' % (name, ",\n".join(json.dumps(entry) for entry in entries)))
        (self.folder / file_name).write_text("".join(lines) + "}\n", encoding="ascii")
        return "%d cases, %d files to refuse or bear" % (len(self.cases), len(self.refusals))
