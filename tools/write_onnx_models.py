#!/usr/bin/env python3
"""Writes networks of other libraries with drawn weights as ONNX models, by the exporters of these libraries.

    tools/write_onnx_models.py keras FOLDER [--opset N ...] [--networks NAME ...]    tensorflow-cpu, tf2onnx
    tools/write_onnx_models.py paddle FOLDER [--opset N ...] [--networks NAME ...]   paddlepaddle, paddle2onnx
    tools/write_onnx_models.py int8 FOLDER [--opset N ...] [--networks NAME ...]     torch, torchvision, onnxruntime

FOLDER/NAME.N.onnx then are what `tools/check_onnx_import.py networks` compares.
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np

NETWORKS = {
    "keras": ["MobileNetV2", "ResNet50V2", "EfficientNetB0", "DenseNet121", "MobileNetV3Small"],
    "paddle": ["resnet18", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x1_0", "densenet121", "googlenet"]
    + ["squeezenet1_1"],
    "int8": ["resnet18", "mobilenet_v2", "vit_b_16"],
}
OPSETS = {"keras": [13, 17], "paddle": [7, 9, 11, 16], "int8": [17]}


# The numbers of a vector: scales and variances around 1, all else around 0.
def drawn(name, shape):
    rng = np.random.default_rng(len(name) + int(np.prod(shape)))
    is_around_one = any(part in name for part in ("gamma", "variance"))
    return rng.uniform(0.5, 1.5, shape) if is_around_one else rng.uniform(-0.1, 0.1, shape)


def write_keras(name, opsets, folder):
    import keras
    import tensorflow as tf
    import tf2onnx

    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    for variable in model.variables:
        if len(variable.shape) == 1:
            variable.assign(drawn(variable.path, variable.shape))
    signature = [tf.TensorSpec([None, 224, 224, 3], tf.float32, name="images")]
    function = tf.function(lambda images: model(images, training=False), input_signature=signature)
    for opset in opsets:
        path = folder / f"{name}.{opset}.onnx"
        tf2onnx.convert.from_function(function, signature, opset=opset, output_path=str(path))


def write_paddle(name, opsets, folder):
    import paddle
    import paddle2onnx

    model = getattr(paddle.vision.models, name)(pretrained=False)
    model.eval()
    for key, tensor in model.state_dict().items():
        if len(tensor.shape) == 1:
            is_of_norm = f"{key.rpartition('.')[0]}._mean" in model.state_dict() and key.endswith("weight")
            tensor.set_value(drawn(f"{key} {'gamma' if is_of_norm else ''}", tensor.shape).astype(np.float32))
    with tempfile.TemporaryDirectory() as scratch:
        spec = [paddle.static.InputSpec([None, 3, 224, 224], "float32", "images")]
        paddle.jit.save(model, f"{scratch}/model", input_spec=spec)
        graph = next(path for path in (f"{scratch}/model.json", f"{scratch}/model.pdmodel") if pathlib.Path(path).exists())
        for opset in opsets:
            # Raises the opset by itself where an operator needs a later one.
            path = folder / f"{name}.{opset}.onnx"
            paddle2onnx.export(graph, f"{scratch}/model.pdiparams", str(path), opset_version=opset)


# By ONNX Runtime's static quantiser: bytes without a sign and with one, and weights by one scale.
def write_int8(name, opsets, folder):
    import onnxruntime.quantization as quantization
    import torch
    import torchvision
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = getattr(torchvision.models, name)(weights=None).eval()
    for key, tensor in model.state_dict().items():
        if tensor.dim() == 1:
            is_of_norm = key.endswith("running_var") or f"{key.rpartition('.')[0]}.running_var" in model.state_dict()
            kind = "gamma" if is_of_norm and key.endswith(("weight", "running_var")) else ""
            tensor.copy_(torch.from_numpy(drawn(f"{key} {kind}", tensor.shape)))

    class Images(quantization.CalibrationDataReader):
        def __init__(self):
            self.images = iter(np.random.default_rng(1).standard_normal((4, 1, 3, 224, 224), dtype=np.float32))

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"images": image}

    kinds = {"u8": ("QUInt8", True), "s8": ("QInt8", True), "u8-tensor": ("QUInt8", False)}
    for opset in opsets:
        with tempfile.TemporaryDirectory() as scratch:
            floats, ready = f"{scratch}/floats.onnx", f"{scratch}/ready.onnx"
            options = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}, "opset_version": opset}
            torch.onnx.export(model, (torch.zeros(1, 3, 224, 224),), floats, dynamo=False, **options)
            quant_pre_process(floats, ready, skip_symbolic_shape=True)
            for kind, (activations, per_channel) in kinds.items():
                quantization.quantize_static(
                    ready,
                    str(folder / f"{name}.{kind}.{opset}.onnx"),
                    Images(),
                    quant_format=quantization.QuantFormat.QDQ,
                    per_channel=per_channel,
                    activation_type=quantization.QuantType[activations],
                    weight_type=quantization.QuantType.QInt8,
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=NETWORKS)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--opset", type=int, nargs="+", default=[])
    parser.add_argument("--networks", nargs="+", default=[])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in args.networks or NETWORKS[args.library]:
        write = {"keras": write_keras, "paddle": write_paddle, "int8": write_int8}[args.library]
        try:
            write(name, args.opset or OPSETS[args.library], args.folder)
            print(f"{name}: written", flush=True)
        except Exception as error:  # of any exporter
            failed += 1
            print(f"{name}: {' '.join(str(error).split())[:300]}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
