"""Checkpoints as training programs write them: with options, optimizers, schedulers, scalers and random states."""

import argparse
import collections
import enum
import pathlib
import random
import warnings

import numpy
import torch
from torch import nn


class AttributeDict(dict):
    """A dict that has its keys as attributes too, as training libraries keep their options in."""

    def __getattr__(self, name):
        return self[name]


class Stage(enum.Enum):
    WARM_UP = "warm_up"
    DECAY = "decay"


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


class Run:
    """A model that was trained for a few steps, and all that its program would save."""

    def __init__(self):
        self.model = network()
        head = list(self.model[2].parameters())
        body = [p for p in self.model.parameters() if all(p is not h for h in head)]
        groups = [{"params": body}, {"params": head, "lr": 0.05, "name": "head"}]
        self.adam = torch.optim.Adam(groups, lr=0.01, betas=(0.8, 0.95))
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.adam, max_lr=[0.1, 0.2], total_steps=10)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.ema = torch.optim.swa_utils.AveragedModel(self.model)
        for _ in range(3):
            self.adam.zero_grad()
            loss = self.model(torch.randn(5, 4)).square().mean()
            self.scaler.scale(loss).backward()
            self.scaler.step(self.adam)
            self.scaler.update()
            self.scheduler.step()
            self.ema.update_parameters(self.model)


def random_states():
    """The three generators, and beside each what it holds, as plain numbers to compare with."""
    random.seed(42)
    numpy.random.seed(42)
    torch.manual_seed(42)
    python, of_numpy, of_torch = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    return {
        "python": python,
        "numpy": of_numpy,
        "torch": of_torch,
        "cuda": [],
        "expected": {
            "python": [int(n) for n in python[1][:3]],
            "numpy": [int(n) for n in of_numpy[1][:3]],
            "torch": [int(n) for n in of_torch[:16]],
        },
    }


def full(run):
    args = argparse.Namespace(
        lr=0.01,
        epochs=90,
        arch="resnet50",
        resume=None,
        distributed=False,
        milestones=[30, 60],
        output=pathlib.PurePosixPath("runs/1"),
        stage=Stage.DECAY,
    )
    return {
        "epoch": 7,
        "global_step": numpy.int64(1234),
        "best_acc1": numpy.float32(76.25),
        "loss": numpy.float64(0.5),
        "improved": numpy.bool_(True),
        "acc1": torch.tensor(76.25),
        "args": args,
        "state_dict": run.model.state_dict(),
        "ema": {"decay": 0.999, "shadow": run.ema.module.state_dict()},
        "optimizer": run.adam.state_dict(),
        "scheduler": run.scheduler.state_dict(),
        "scaler": run.scaler.state_dict(),
        "rng": random_states(),
        "history": collections.defaultdict(list, {"loss": [1.5, 1.0, 0.5]}),
        "confusion": numpy.arange(6, dtype=numpy.int64).reshape(2, 3),
        "classes": ("cat", "dog"),
        "seen": {3, 1},
    }


def lightning(run):
    """The keys that PyTorch Lightning writes."""
    return {
        "epoch": 7,
        "global_step": 1234,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": collections.OrderedDict(("model." + k, v) for k, v in run.model.state_dict().items()),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 8, "completed": 7}}}},
        "callbacks": {
            "ModelCheckpoint{'monitor': 'val_loss', 'mode': 'min'}": {
                "best_model_score": torch.tensor(0.25),
                "best_k_models": {"runs/epoch=6.ckpt": torch.tensor(0.25)},
            }
        },
        "optimizer_states": [run.adam.state_dict()],
        "lr_schedulers": [run.scheduler.state_dict()],
        "MixedPrecision": run.scaler.state_dict(),
        "hparams_name": "kwargs",
        "hyper_parameters": AttributeDict(lr=0.01, layers=[4, 3, 2], name="run"),
    }


def add(catalogue):
    torch.manual_seed(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = Run()
    catalogue.save("training", "training_full", full(run))
    catalogue.save("training", "training_full_legacy", full(run), legacy=True)
    catalogue.save("training", "training_lightning", lightning(run))
    wrapped = nn.DataParallel(nn.Sequential(network(), nn.Linear(2, 2))).state_dict()
    catalogue.save("training", "training_wrapped", wrapped)
    consumed = wrapped.copy()
    consumed._metadata = wrapped._metadata.copy()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(consumed, "module.")
    catalogue.save("training", "training_consumed", consumed)
