"""State dicts, training checkpoints and whole models."""

import collections

import torch
from torch import nn


class TiedNet(nn.Module):
    """A language model in small: tied weights, buffers of every kind, missing parts and a stray tensor."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.norm = nn.BatchNorm1d(4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4, bias=False)])
        self.by_name = nn.ModuleDict({"relu": nn.ReLU(), "out": nn.Linear(4, 2)})
        self.factors = nn.ParameterList([nn.Parameter(torch.randn(2)), nn.Parameter(torch.randn(3))])
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.shared_block = self.blocks[0]
        self.register_buffer("steps", torch.tensor(5))
        self.register_buffer("cache", torch.randn(9), persistent=False)
        self.register_buffer("unset", None)
        self.register_parameter("missing", None)
        self.register_module("child", None)
        self.modern = nn.Buffer(torch.arange(3))
        self.stray = torch.randn(11)
        self.options = {"depth": 2}

    def forward(self, tokens):
        return self.head(self.blocks[0](self.embed(tokens)))


def small():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))


def trained(optimizer_of):
    model = small()
    optimizer = optimizer_of(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 1, 4, 4)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    return model, optimizer, scheduler


def training_checkpoint():
    model, optimizer, scheduler = trained(lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True))
    return {
        "epoch": 3,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "best": 0.25,
        "args": {"lr": 0.01, "name": "run"},
        "rng": torch.arange(16, dtype=torch.uint8),
    }


def several():
    model, sgd, _ = trained(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    averaged = collections.OrderedDict((k, v.clone()) for k, v in model.state_dict().items())
    return {
        "generator": model.state_dict(),
        "discriminator": nn.Linear(3, 1).state_dict(),
        "ema": averaged,
        "optimizers": [sgd.state_dict(), None],
    }


def add(catalogue):
    torch.manual_seed(20)
    save = lambda name, obj, **more: catalogue.save("models", name, obj, **more)
    save("model_state_dict", small().state_dict())
    save("model_tied_state_dict", TiedNet().state_dict())
    save("model_data_parallel_state_dict", nn.DataParallel(small()).state_dict())
    save("model_lstm_state_dict", nn.LSTM(3, 5, num_layers=2, bidirectional=True).state_dict())
    save("model_transformer_state_dict", nn.TransformerEncoderLayer(8, 2, 16).state_dict())
    save("model_training", training_checkpoint())
    save("model_training_protocol_4", training_checkpoint(), protocol=4)
    save("model_several", several())
    save("model_whole", small())
    save("model_whole_tied", TiedNet())
    save("model_whole_tied_protocol_5", TiedNet(), protocol=5)
    save("model_whole_data_parallel", nn.DataParallel(TiedNet()))
    save("model_whole_lstm", nn.LSTM(3, 5, num_layers=2))
    save("model_whole_transformer", nn.TransformerEncoderLayer(8, 2, 16))
    save("model_whole_in_dict", {"epoch": 1, "model": TiedNet(), "models": [nn.Linear(2, 1), None]})
    save(
        "model_whole_nested",
        nn.Sequential(collections.OrderedDict([("body", small()), ("tail", nn.PReLU())])),
    )
    save("model_parameters", list(small().parameters()))
    save("model_parameter_dict", dict(small().named_parameters()))
