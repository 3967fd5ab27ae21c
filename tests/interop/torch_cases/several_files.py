"""Checkpoints of several files: shards with an index, and directories of torch.distributed.checkpoint."""

import json
import multiprocessing
import os
import tempfile
import unittest.mock

import safetensors.torch
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import filesystem, format_utils

from . import dtypes, encoding, observe

RANKS = 4


def weights():
    """Tensors of several kinds, none of which shares memory with another."""
    generator = torch.Generator().manual_seed(40)
    state = {
        "embed.weight": torch.randn(7, 5, generator=generator),
        "layers.0.weight": torch.randn(5, 5, generator=generator).to(torch.bfloat16),
        "layers.0.bias": torch.randn(5, generator=generator).to(torch.float16),
        "layers.1.steps": torch.tensor(12345678901),
        "layers.1.mask": torch.tensor([True, False, True]),
        "layers.1.empty": torch.empty(0, 3),
        "head.weight": torch.randn(2, 3, 4, generator=generator, dtype=torch.float64),
    }
    return state


def split(state, count):
    names = list(state)
    return [{name: state[name] for name in names[i::count]} for i in range(count)]


def write_index(path, shards, metadata=True):
    """As transformers writes it: names sorted, bytes in all in the metadata."""
    weight_map = {name: file for file, shard in shards.items() for name in shard}
    index = {"metadata": {"total_size": sum(t.nbytes for s in shards.values() for t in s.values())}} if metadata else {}
    index["weight_map"] = {name: weight_map[name] for name in sorted(weight_map)}
    path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    return index["weight_map"]


def describe(catalogue, group, path, name, format, content):
    rows = observe.describe_tensors(list(observe.leaves(content)), lambda tensor: "cpu")
    for file, suffix in ((path, ""), (path.parent, "_directory")) if path.is_file() else ((path, ""),):
        catalogue.add(
            {
                "name": name + suffix,
                "group": group,
                "file": catalogue.relative(file),
                "format": format,
                "protocol": 2,
                "locations": ["cpu"] if rows else [],
                "tensors": rows,
                "content": encoding.Encoder(2).encode(content),
                "load": [],
            }
        )


def add_sharded_case(catalogue, group, name, shards, save, index_name, **index):
    folder = catalogue.path(group, name, "d")
    folder.mkdir(exist_ok=True)
    for file, shard in shards.items():
        save(shard, str(folder / file))
    order = write_index(folder / index_name, shards, **index)
    together = {key: tensor for shard in shards.values() for key, tensor in shard.items()}
    describe(catalogue, group, folder / index_name, name, "sharded", {key: together[key] for key in order})


def add_sharded(catalogue, group="sharded"):
    numbered = lambda stem, extension, parts: {
        "%s-%05d-of-%05d.%s" % (stem, i + 1, len(parts), extension): part for i, part in enumerate(parts)
    }
    shards = numbered("model", "safetensors", split(weights(), 3))
    save = lambda shard, path: safetensors.torch.save_file(shard, path, metadata={"format": "pt"})
    add_sharded_case(catalogue, group, "sharded_safetensors", shards, save, "model.safetensors.index.json")
    shards = numbered("pytorch_model", "bin", split(weights(), 2))
    add_sharded_case(catalogue, group, "sharded_bin", shards, torch.save, "pytorch_model.bin.index.json")
    return shards


def add_more_sharded(catalogue):
    group = "sharded"
    shards = {"part%d" % i: part for i, part in enumerate(split(dtypes.every_dtype(), 8))}
    add_sharded_case(catalogue, group, "sharded_dtypes", shards, torch.save, "anything.json", metadata=False)
    legacy = lambda shard, path: torch.save(shard, path, _use_new_zipfile_serialization=False)
    shards = {"a.bin": {"größe": torch.ones(2)}, "b.bin": {"权重": torch.zeros(3), "": torch.tensor(1)}}
    add_sharded_case(catalogue, group, "sharded_legacy", shards, legacy, "index.json")


def resharded(folder):
    """What real PyTorch makes of a directory of torch.distributed.checkpoint."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = os.path.join(scratch, "whole.pt")
        format_utils.dcp_to_torch_save(str(folder), whole)
        return torch.load(whole, weights_only=False)


def add_distributed_case(catalogue, group, name, save):
    folder = catalogue.path(group, name, "d")
    # The metadata would tell where it was saved and hold a random number; the files are to come out the same.
    before = os.getcwd()
    os.chdir(folder.parent)
    try:
        with unittest.mock.patch.object(filesystem, "_generate_uuid", lambda: "save"):
            save(folder.name)
    finally:
        os.chdir(before)
    describe(catalogue, group, folder, name, "distributed", resharded(folder))


def training_state():
    torch.manual_seed(41)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "args": {"lr": 0.1, "name": "größe", "sizes": (1, 2), "none": None},
        "list": [torch.arange(4), {"a": torch.ones(2, dtype=torch.bfloat16)}, 7],
        "pair": (1, torch.arange(3)),
        "scalar": torch.tensor(3.5),
    }


def nested_state():
    return {
        "model": {"w": torch.arange(6.0).view(2, 3), "layers.0.b": torch.ones(2, dtype=torch.float16)},
        "epoch": 3,
        "list": [torch.arange(4), {"a": torch.tensor(0.5)}, "text"],
    }


def add_small_distributed(catalogue, group="distributed"):
    add_distributed_case(catalogue, group, "distributed_nested", lambda path: dcp.save(nested_state(), checkpoint_id=path))
    add_distributed_case(catalogue, group, "distributed_ranks", lambda path: in_ranks(save_ranks, 2, path))


def distribute(tensor, mesh, placements):
    """Every rank has the whole tensor, so nothing is sent, which gloo cannot for all types."""
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, mesh, placements, src_data_rank=None)


def save_ranks(path, rank, ranks):
    from torch.distributed.tensor import Replicate, Shard, init_device_mesh

    mesh = init_device_mesh("cpu", (ranks,))
    tensor = lambda *size, dtype=torch.float32: torch.arange(torch.Size(size).numel()).reshape(size).to(dtype)
    dcp.save(
        {
            "rows": distribute(tensor(5, 4), mesh, [Shard(0)]),
            "columns": distribute(tensor(5, 4, dtype=torch.int16), mesh, [Shard(1)]),
            "few": distribute(tensor(1, 3, dtype=torch.bfloat16), mesh, [Shard(0)]),
            "replicated": distribute(tensor(3, 2), mesh, [Replicate()]),
            "plain": tensor(4, dtype=torch.float64),
            "step": 5,
        },
        checkpoint_id=path,
    )


def save_mesh(path, rank, ranks):
    """As FSDP with tensor parallelism has it: two dimensions of the mesh."""
    from torch.distributed.tensor import Replicate, Shard, init_device_mesh

    mesh = init_device_mesh("cpu", (2, ranks // 2), mesh_dim_names=("dp", "tp"))
    torch.manual_seed(42)
    whole = {name: torch.randn(size) for name, size in {"w": (6, 8), "odd": (7, 5), "cube": (5, 3, 7)}.items()}
    state = {}
    for name, tensor in whole.items():
        for kind, placements in {
            "grid": [Shard(0), Shard(1)],
            "swapped": [Shard(1), Shard(0)],
            "twice": [Shard(0), Shard(0)],
            "half": [Shard(0), Replicate()],
            "last": [Replicate(), Shard(tensor.dim() - 1)],
        }.items():
            state["%s.%s" % (name, kind)] = distribute(tensor, mesh, placements)
    dcp.save({"model": state, "step": torch.tensor(9)}, checkpoint_id=path)


def save_many_files(path, rank, ranks):
    from torch.distributed.checkpoint import FileSystemWriter

    state = {"t%d" % i: torch.full((rank + 2, 3), float(i)) for i in range(9)}
    writer = FileSystemWriter(path, thread_count=3)
    dcp.save({"rank%d" % rank: state, "shared": torch.arange(5)}, storage_writer=writer)


def save_slices(path, rank, ranks):
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.tensor import Shard, init_device_mesh

    mesh = init_device_mesh("cpu", (ranks,))
    torch.manual_seed(43)
    state = {
        "rows": distribute(torch.randn(5, 4), mesh, [Shard(0)]),
        "columns": distribute(torch.randn(3, 6).to(torch.bfloat16), mesh, [Shard(1)]),
    }
    dcp.save(state, storage_writer=HuggingFaceStorageWriter(path, save_distributed=True))
    whole = {name: tensor.full_tensor().clone() for name, tensor in state.items()}
    if rank == 0:
        torch.save(whole, path + ".whole")


def run_rank(save, path, rank, ranks, port_file):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + port_file, rank=rank, world_size=ranks)
    try:
        save(path, rank, ranks)
    finally:
        dist.destroy_process_group()


def in_ranks(save, ranks, path):
    """Runs `save` in that many processes of one gloo group."""
    with tempfile.TemporaryDirectory() as scratch:
        context = multiprocessing.get_context("fork")
        arguments = lambda rank: (save, path, rank, ranks, os.path.join(scratch, "store"))
        processes = [context.Process(target=run_rank, args=arguments(rank)) for rank in range(ranks)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode != 0 for process in processes):
            raise RuntimeError("a rank failed: %s" % [process.exitcode for process in processes])


def has_size(tensor):
    """Whether PyTorch's planner knows how large an element is; it stops at types of less than a byte."""
    try:
        return not tensor.is_quantized and torch._utils._element_size(tensor.dtype) > 0
    except TypeError:
        return False


def add_more_distributed(catalogue):
    group = "distributed"
    save = lambda name, state: add_distributed_case(
        catalogue, group, "distributed_" + name, lambda path: dcp.save(state, checkpoint_id=path)
    )
    save("dtypes", {name: tensor for name, tensor in dtypes.every_dtype().items() if has_size(tensor)})
    save("flat", weights())
    save("training", training_state())
    add_distributed_case(catalogue, group, "distributed_mesh", lambda path: in_ranks(save_mesh, RANKS, path))
    add_distributed_case(catalogue, group, "distributed_files", lambda path: in_ranks(save_many_files, 2, path))
    folder = catalogue.path(group, "distributed_slices", "d")
    in_ranks(save_slices, 2, str(folder))
    whole = torch.load(str(folder) + ".whole")
    os.remove(str(folder) + ".whole")
    describe(catalogue, group, folder, "distributed_slices", "distributed", whole)


def hostile_index(catalogue, group, name, text, expect, **more):
    """An index beside one sound shard."""
    folder = catalogue.path(group, name, "d")
    folder.mkdir(exist_ok=True)
    safetensors.torch.save_file({"a": torch.ones(2), "b": torch.zeros(1)}, str(folder / "one.safetensors"))
    safetensors.torch.save_file({"b": torch.zeros(1)}, str(folder / "two.safetensors"))
    index = folder / "model.safetensors.index.json"
    index.write_text(text)
    catalogue.refusals.append(
        {"name": name, "group": group, "file": catalogue.relative(index), "expect": expect, "accept": [expect], **more}
    )


def add_hostile(catalogue, group="several_files"):
    maps = {
        "outside": {"a": "../one.safetensors"},
        "absolute": {"a": "/etc/passwd"},
        "missing": {"a": "three.safetensors"},
        "lacking": {"x": "one.safetensors"},
        "twice": {"a": "one.safetensors", "b": "two.safetensors"},
        "number": {"a": 1},
    }
    for name, weight_map in maps.items():
        hostile_index(catalogue, group, "index_" + name, json.dumps({"weight_map": weight_map}), "corrupt")
    hostile_index(catalogue, group, "index_repeated", '{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}', "corrupt")
    hostile_index(catalogue, group, "index_cut", '{"weight_map":{"a":"one.safe', "corrupt")
    hostile_index(catalogue, group, "index_of_nothing", '{"model_type":"bert"}', "unsupported")


def add_to_fixtures(catalogue):
    """The small ones, which are committed."""
    add_sharded(catalogue, "fixtures")
    add_small_distributed(catalogue, "fixtures")


def add(catalogue):
    add_sharded(catalogue)
    add_more_sharded(catalogue)
    add_small_distributed(catalogue)
    add_more_distributed(catalogue)
    add_hostile(catalogue)
