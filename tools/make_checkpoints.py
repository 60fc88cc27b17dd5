#!/usr/bin/env python3
"""Makes tests/checkpoints: a tiny network's weights in every form of file that `convoy import` reads.

Call it with a Python that has torch and safetensors, and with one that has paddle: each makes the files of what it has.
Equal calls make files of equal content.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

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
    for make in (make_torch, make_paddle):
        try:
            make(out)
        except ModuleNotFoundError as missing:
            print(f"{make.__name__}: {missing}")


if __name__ == "__main__":
    main()
