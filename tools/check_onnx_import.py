"""Compares what Convoy makes of ONNX models with ONNX Runtime, and of single operators with ONNX's own tests.

    tools/check_onnx_import.py networks PROGRAM FOLDER   every .onnx of FOLDER: logits of two images
    tools/check_onnx_import.py nodes PROGRAM FOLDER      writes the operators' cases to FOLDER, and runs them

PROGRAM is build/release/bench/onnx_imports. Needs numpy and onnx, for networks onnxruntime.
"""

import collections
import pathlib
import subprocess
import sys

import numpy as np
import onnx

# Those that classifiers have, and for which docs/onnx.md speaks.
OPERATORS = """Conv ReduceMean Reshape Gemm Add Relu MaxPool Mul Concat BatchNormalization Sigmoid AveragePool Slice Clip
Transpose HardSigmoid Gelu LeakyRelu HardSwish Split LayerNormalization MatMul Resize ReduceSum Softmax Sub Identity Shape
Squeeze Range Unsqueeze Gather GlobalAveragePool Flatten Constant Div Cast Ceil ConstantOfShape Pad InstanceNormalization
PRelu Sqrt Pow Erf Tanh DepthToSpace QuantizeLinear DequantizeLinear ReduceL2 CumSum""".split()
TOLERANCE = 1e-4
QUANTISED_TOLERANCE = 1e-1  # a sum that is a rounding away from a half becomes the byte beside, from layer to layer


def images_of(session):
    _, channels, *rest = session.get_inputs()[0].shape
    side = rest[0] if channels == 3 else channels
    side = side if isinstance(side, int) else 224
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, side, side, 3), dtype=np.float32), channels == 3


def is_quantised(model):
    return any(n.op_type == "QuantizeLinear" for n in onnx.load(model, load_external_data=False).graph.node)


# Models as they are written: what ONNX Runtime makes of several nodes rounds elsewhere, and was off by 2.9e-4 in ResNet50V2.
def session_of(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_networks(program, folder):
    sessions = {}
    for model in sorted(folder.glob("*.onnx")):
        sessions[model] = session = session_of(model)
        images, _ = images_of(session)
        images.tofile(model.with_suffix(".images"))
        model.with_suffix(".logits").unlink(missing_ok=True)
    print(subprocess.run([program, folder], capture_output=True, text=True).stdout, end="")
    failed = 0
    for model, session in sessions.items():
        if not model.with_suffix(".logits").exists():
            failed += 1
            continue
        images, maps = images_of(session)
        first, *unread = session.get_inputs()  # some exporters leave behind inputs that no node takes
        feed = {value.name: np.zeros(value.shape, np.float32) for value in unread}
        given = np.ascontiguousarray(images.transpose(0, 3, 1, 2) if maps else images)
        answers = [session.run(None, {first.name: given[i : i + 1], **feed})[0].reshape(1, -1) for i in range(2)]
        expected = np.concatenate(answers)
        got = np.fromfile(model.with_suffix(".logits"), np.float32).reshape(expected.shape)
        worst = abs(got - expected).max() / abs(expected).max()
        tolerance = QUANTISED_TOLERANCE if is_quantised(model) else TOLERANCE
        failed += not worst <= tolerance
        print(f"{model.stem}: {worst:.1e} of the largest logit{'' if worst <= tolerance else ' WRONG'}")
    return failed


def write_cases(folder):
    import onnx.backend.test.case.node as node

    written = {}
    for case in node.collect_testcases(None):
        operators = {n.op_type for n in case.model.graph.node}
        if len(case.model.graph.node) != 1 or not operators <= set(OPERATORS):
            continue
        inputs, outputs = case.data_sets[0]
        place = folder / case.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.onnx").write_bytes(case.model.SerializeToString())
        for kind, values in (("input", inputs), ("output", outputs)):
            for i, value in enumerate(values):
                if not isinstance(value, onnx.TensorProto):
                    value = onnx.numpy_helper.from_array(np.asarray(value))
                (place / f"{kind}_{i}.pb").write_bytes(value.SerializeToString())
        written[case.name] = operators.pop()
    return written


def check_nodes(program, folder):
    operators = write_cases(folder)
    lines = subprocess.run([program, "--nodes", folder], capture_output=True, text=True).stdout.splitlines()
    results = collections.defaultdict(dict)
    for line in lines:
        case, how, result = line.split("\t", 2)
        results[case][how] = result
    wrong, passed, refused = 0, collections.Counter(), collections.defaultdict(list)
    for case, ways in sorted(results.items()):
        for how, result in ways.items():
            if result.startswith("WRONG"):
                wrong += 1
                print(f"{case} ({how}): {result}")
        if "passed" in ways.values():
            passed[operators[case]] += 1
        else:
            refused[operators[case]].append(f"{case}: {ways['computed'][9:]}")
    for operator in sorted(set(operators.values())):
        print(f"{operator}: {passed[operator]} passed, {len(refused[operator])} refused")
        for line in refused[operator]:
            print(f"    {line}")
    missing = set(operators) - set(results)
    print(f"{sum(passed.values())} of {len(operators)} passed, {wrong} wrong, {len(missing)} not run {sorted(missing)}")
    return wrong + len(missing)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("networks", "nodes"):
        sys.exit(__doc__)
    check = check_networks if sys.argv[1] == "networks" else check_nodes
    sys.exit(1 if check(sys.argv[2], pathlib.Path(sys.argv[3])) else 0)


if __name__ == "__main__":
    main()
