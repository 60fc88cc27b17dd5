#!/usr/bin/env python3
"""Makes tests/checkpoints: a tiny network's weights in every form of file that `convoy import` reads.

Call it with a Python that has torch and safetensors, and with one that has paddle: each makes the files of what it has.
Equal calls make files of equal content.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import functools
import http
import json
import logging
import pickle
import sys
import types
from collections import OrderedDict, defaultdict, deque
from pathlib import Path, PurePosixPath
from unittest import mock

import numpy as np

SHAPES = OrderedDict(
    [
        ("conv1.weight", (4, 3, 3, 3)),
        ("bn1.weight", (4,)),
        ("bn1.bias", (4,)),
        ("bn1.running_mean", (4,)),
        ("bn1.running_var", (4,)),
        ("conv2.weight", (6, 4, 1, 1)),
        ("conv2.bias", (6,)),
        ("fc1.weight", (6, 6)),
        ("fc1.bias", (6,)),
        ("fc2.weight", (5, 6)),
        ("fc2.bias", (5,)),
    ]
)


def weights() -> OrderedDict[str, np.ndarray]:
    generator = np.random.default_rng(7)
    values = OrderedDict((name, generator.standard_normal(shape, np.float32)) for name, shape in SHAPES.items())
    values["bn1.running_var"] = np.abs(values["bn1.running_var"]) + np.float32(0.5)
    return values


def make_torch(out: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = OrderedDict((name, torch.from_numpy(value.copy())) for name, value in weights().items())
    save_file(dict(state), out / "tiny.safetensors")
    # As nn.Module.state_dict: BatchNorm's counter, and the attribute _metadata.
    whole = OrderedDict(state, **{"bn1.num_batches_tracked": torch.tensor(12)})
    whole._metadata = OrderedDict({"": {"version": 1}})
    torch.save(whole, out / "tiny.pth")
    torch.save(whole, out / "tiny_legacy.pth", _use_new_zipfile_serialization=False)

    parallel = OrderedDict((f"module.{name}", torch.nn.Parameter(value)) for name, value in whole.items() if value.is_floating_point())
    options = argparse.Namespace(lr=0.1, betas=(0.9, 0.999), device="cpu", resume=None)
    torch.save({"epoch": 3, "state_dict": parallel, "args": options, "metric": np.float64(0.5), "best": True}, out / "nested.pth")
    zeros = OrderedDict((name, torch.zeros_like(value)) for name, value in whole.items())
    torch.save({"model": zeros, "model_ema": whole, "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}}, out / "ema.pth")
    torch.save({"teacher": zeros, "student": whole}, out / "ambiguous.pth")

    # Under other names: in another order, which the shapes tell, and in one that leaves doubt.
    order = ["conv2.weight", "conv2.bias", "conv1.weight"]
    order += [name for name in SHAPES if name not in order]
    theirs = {"conv1": "stem", "bn1": "n", "conv2": "mix", "fc1": "a", "fc2": "head"}
    moved = OrderedDict()
    for name in order:
        module, leaf = name.split(".")
        moved[f"{theirs[module]}.{leaf}"] = state[name]
    torch.save(moved, out / "moved.pth")
    square = [("a", 1), ("b", 3), ("c", 1), ("d", 3)]
    torch.save(OrderedDict((f"{name}.weight", torch.zeros(3, 3, size, size)) for name, size in square), out / "interleaved.pth")

    # Norms before their layers, and the first layer last.
    layers = [("a", (4,)), ("b", (4, 4, 1, 1)), ("c", (4,)), ("d", (4, 4, 1, 1)), ("e", (4, 3, 1, 1))]
    pre_norm = OrderedDict()
    for i, (name, shape) in enumerate(layers):
        pre_norm[f"{name}.weight"] = torch.full(shape, float(i))
        pre_norm[f"{name}.bias"] = torch.full((4,), i + 0.5)
    torch.save(pre_norm, out / "pre_norm.pth")

    # Other types, a transposed view, and views that share a storage.
    flat = torch.cat([torch.zeros(3), state["bn1.weight"], state["bn1.bias"]])
    views = OrderedDict(state)
    views["conv1.weight"] = state["conv1.weight"].half()
    views["conv2.weight"] = state["conv2.weight"].bfloat16()
    views["fc2.bias"] = state["fc2.bias"].double()
    views["fc1.weight"] = state["fc1.weight"].t().contiguous().t()
    views["bn1.weight"], views["bn1.bias"] = flat[3:7], flat[7:]
    torch.save(views, out / "views.pth")
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), out / "whole_model.pth")


def make_plain(out: Path) -> None:
    """One dictionary by every protocol of pickle, and as JSON."""
    value = {
        "none": None,
        "true": True,
        "false": False,
        "integers": [0, 255, 256, 65536, -1, -70000, 2**40, -(2**63)],
        "numbers": [0.5, -1e-300, 1e300],
        "text": "a 'quoted' \"text\" with \\, a line\nand \u00e9 \u20ac \U0001f600",
        "long": "x" * 300,
        "empty": {"list": [], "dict": {}},
        "set": [7],
        "bytes": "abc",
        "tuples": [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]],
        "0": "a key that is a number",
        "bird": {"name": "wren", "legs": 2},
    }
    (out / "plain.json").write_text(json.dumps(value, indent=1) + "\n")
    del value["0"]
    value[0] = "a key that is a number"
    value["set"], value["bytes"], value["tuples"] = {7}, b"abc", [tuple(item) for item in value["tuples"]]
    value["bird"] = types.SimpleNamespace(name="wren", legs=2, _secret=1)
    for protocol in range(6):
        (out / f"plain_{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))


def training_state() -> dict[str, object]:
    """What training scripts keep beside the weights."""
    import torch

    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return {
        "arch": "resnet18",
        "args": argparse.Namespace(model="resnet18", device=torch.device("cuda", 0), betas=(0.9, 0.999), out=PurePosixPath("runs/1")),
        "scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5]).state_dict(),
        "seen": {1, 2, 3},
        "frozen": frozenset(["a"]),
        "generator": np.random.default_rng(1),
        "state": np.random.RandomState(1).get_state(),
        "large": 2**100,
        "dtype": torch.float16,
        "level": logging.Formatter("%(message)s"),
        "enum": http.HTTPStatus.OK,
        "when": datetime.datetime(2024, 1, 2, 3, 4),
        "partial": functools.partial(int, base=2),
        "space": types.SimpleNamespace(a=1),
        "default": defaultdict(list, a=[1]),
        "queue": deque([1, 2], maxlen=3),
        "complex": 1 + 2j,
        "range": range(3),
        "decimal": decimal.Decimal("1.5"),
        "words": np.array(["a", "b"]),
        "objects": np.array([None, 1], dtype=object),
        "method": "text".upper,
    }


def make_networks(out: Path) -> None:
    """Networks saved as a whole, and weights among everything else that scripts save."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
            self.bn1 = torch.nn.BatchNorm2d(4)
            self.conv2 = torch.nn.Conv2d(4, 6, 1)
            self.fc1 = torch.nn.Linear(6, 6)
            self.fc2 = torch.nn.Linear(6, 5)
            self.act = torch.nn.ReLU()
            self.register_buffer("scratch", torch.zeros(3), persistent=False)
            self.names = {0: "ant", 1: "bee"}

    # As if it were a module of its own, which the reader does not have.
    Network.__module__, Network.__qualname__ = "birds.models", "Network"
    sys.modules["birds"] = types.ModuleType("birds")
    sys.modules["birds.models"] = types.ModuleType("birds.models")
    sys.modules["birds.models"].Network = Network

    network = Network()
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights().items()}, strict=False)
    torch.save(network, out / "network.pth")
    with mock.patch("inspect.getsourcelines", return_value=(["class Module: ...\n"], 1)):  # instead of long texts
        torch.save(network, out / "network_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "best_fitness": 0.5, "model": network, "ema": None, "train_args": {"imgsz": 64}}, out / "in_training.pth")
    state = OrderedDict((name, torch.from_numpy(value.copy())) for name, value in weights().items())
    torch.save({"state_dict": state, **training_state()}, out / "everything.pth")
    (out / "arrays.pkl").write_bytes(pickle.dumps(dict(weights()), 5))
    sound = torch.quantize_per_tensor(state["fc1.weight"], 0.1, 0, torch.qint8)
    torch.save({"fc1.weight": sound, "fc1.bias": state["fc1.bias"]}, out / "quantized.pth")


def make_sharded(out: Path) -> None:
    """As transformers saves large networks."""
    from safetensors.numpy import save_file

    folder = out / "sharded"
    folder.mkdir(exist_ok=True)
    names = list(SHAPES)
    files = {"model-00001-of-00002.safetensors": names[:6], "model-00002-of-00002.safetensors": names[6:]}
    for file, own in files.items():
        save_file({name: weights()[name] for name in own}, folder / file, {"format": "pt"})
    index = {"metadata": {"total_size": 1234}, "weight_map": {name: file for file, own in files.items() for name in own}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    config = {"architectures": ["ResNetForImageClassification"], "id2label": {"1": "bee", "0": "ant"}}
    (folder / "config.json").write_text(json.dumps(config) + "\n")


def make_paddle(out: Path) -> None:
    import paddle

    class Tiny(paddle.nn.Layer):
        def __init__(self, names: list[str]) -> None:
            super().__init__()
            layers = [
                paddle.nn.Conv2D(3, 4, 3, padding=1, bias_attr=False),
                paddle.nn.BatchNorm2D(4),
                paddle.nn.Conv2D(4, 6, 1),
                paddle.nn.Linear(6, 6),
                paddle.nn.Linear(6, 5),
            ]
            for name, layer in zip(names, layers):
                self.add_sublayer(name, layer)

        def forward(self, x: paddle.Tensor) -> paddle.Tensor:
            conv1, norm, conv2, fc1, fc2 = self.children()
            x = conv2(paddle.nn.functional.relu(norm(conv1(x)))).mean((2, 3))
            return fc2(paddle.nn.functional.relu(fc1(x)))

    paddle.seed(1)
    for file, names in (("tiny", ["conv1", "bn1", "conv2", "fc1", "fc2"]), ("renamed", ["stem", "n", "mix", "a", "head"])):
        network = Tiny(names)
        for (_, own), (name, value) in zip(network.state_dict().items(), weights().items()):
            own.set_value(value.T.copy() if name in ("fc1.weight", "fc2.weight") else value)
        paddle.save(network.state_dict(), str(out / f"{file}.pdparams"))
        if file == "tiny":
            paddle.save(network.state_dict(), str(out / "tiny_protocol2.pdparams"), protocol=2)
            paddle.save({"model": network.state_dict(), "epoch": 3}, str(out / "nested.pdparams"))
            optimizer = paddle.optimizer.Momentum(parameters=network.parameters())
            network(paddle.ones([2, 3, 4, 4])).sum().backward()
            optimizer.step()
            paddle.save(optimizer.state_dict(), str(out / "tiny.pdopt"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("tests/checkpoints"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for make in (make_plain, make_torch, make_networks, make_sharded, make_paddle):
        try:
            make(out)
        except ModuleNotFoundError as missing:
            print(f"{make.__name__}: {missing}")


if __name__ == "__main__":
    main()
