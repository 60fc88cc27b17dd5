// What Convoy computes with networks of ONNX models: for every MODEL.onnx of a folder that has images beside it,
// MODEL.images ({N, S, S, 3} as float32), writes MODEL.logits. With --nodes, runs the folders of ONNX's own tests of
// operators (model.onnx, input_*.pb, output_0.pb). tools/check_onnx_import.py prepares both and looks at the results.
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "convoy/error.h"
#include "convoy/import.h"
#include "convoy/session.h"
#include "formats/onnx_model.h"
#include "inference/onnx_fold.h"
#include "inference/onnx_import.h"
#include "plan/passes.h"
#include "plan/program.h"
#include "plan/variables.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

void run_network(const fs::path& model) {
  fs::path file = model;
  const fs::path imported = file.replace_extension(".safetensors");
  import_model(model, {}, imported);
  std::ifstream stream(file.replace_extension(".images"), std::ios::binary | std::ios::ate);
  std::vector<float> images(static_cast<size_t>(stream.tellg()) / sizeof(float));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(images.data()), static_cast<std::streamsize>(images.size() * sizeof(float)));
  const TrainedNetwork network(imported);
  const size_t pixels = static_cast<size_t>(network.image_size() * network.image_size() * 3);
  Session session(network, {.batch_size = static_cast<int64_t>(images.size() / pixels)});
  const std::vector<float> logits = session.run(images)[0];
  std::ofstream out(file.replace_extension(".logits"), std::ios::binary);
  out.write(reinterpret_cast<const char*>(logits.data()), static_cast<std::streamsize>(logits.size() * sizeof(float)));
}

std::vector<float> floats_of(const OnnxConstant& constant) {
  if (!constant.is_integer()) return constant.floats();
  return {constant.integers().begin(), constant.integers().end()};
}

// All inputs known.
OnnxConstant folded(const OnnxModel& model, const std::map<std::string, OnnxTensor>& known) {
  std::map<std::string, OnnxConstant> values;
  for (const auto& [name, tensor] : known) values[name] = constant_of(tensor);
  for (const OnnxTensor& tensor : model.tensors) values[tensor.name] = constant_of(tensor);
  for (const OnnxNode& node : model.nodes) {
    if (!can_fold(node.op)) throw Error(fmt::format("{} needs an input that depends on the images", node.op));
    std::vector<const OnnxConstant*> inputs;
    for (const std::string& name : node.inputs) inputs.push_back(name.empty() ? nullptr : &values.at(name));
    std::vector<OnnxConstant> outputs = fold(node, inputs, model.opset);
    for (size_t i = 0; i < outputs.size(); ++i) values[node.outputs[i]] = std::move(outputs[i]);
  }
  return values.at(model.outputs.at(0).name);
}

// The first input computed, the others known.
OnnxConstant computed(const OnnxModel& model, const std::map<std::string, OnnxTensor>& known) {
  OnnxNetwork network = onnx_function(model, known, 0);
  const Shape shape = network.graph.value(network.graph.output("logits")).type.shape;
  Variables variables;
  variables.add(network.graph, std::nullopt);
  for (const auto& [name, values] : network.weights) variables.write(name, values);
  run_passes(network.graph, forward_passes());
  Program program(network.graph);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  const std::vector<float> images = constant_of(known.at(model.inputs[0].name)).floats();
  program.write("images", images);
  program.run({});
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  program.read("logits", values);
  return {{shape.extents().begin(), shape.extents().end()}, std::move(values)};
}

// "passed", or what is wrong.
std::string outcome(const OnnxConstant& got, const OnnxConstant& expected) {
  if (got.shape != expected.shape) return "WRONG shape";
  const std::vector<float> a = floats_of(got), b = floats_of(expected);
  for (size_t i = 0; i < b.size(); ++i) {
    const bool alike = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    // The bounds of onnx.backend.test: 1e-3 of the value, 1e-7 more.
    if (!alike && !(std::abs(a[i] - b[i]) <= 1e-7F + 1e-3F * std::abs(b[i]))) {
      return fmt::format("WRONG element {}: expected {}, got {}", i, b[i], a[i]);
    }
  }
  return "passed";
}

void run_node(const fs::path& folder) {
  const auto attempt = [&](const char* how, const auto& run) {
    std::string result;
    try {
      const OnnxModel model = read_onnx(folder / "model.onnx");
      std::map<std::string, OnnxTensor> known;
      for (size_t i = 0; i < model.inputs.size(); ++i) {
        known[model.inputs[i].name] = read_onnx_tensor(folder / fmt::format("input_{}.pb", i));
      }
      const OnnxConstant expected = constant_of(read_onnx_tensor(folder / "output_0.pb"));
      result = outcome(run(model, known), expected);
    } catch (const std::exception& error) {
      result = std::string("refused: ").append(error.what());
    }
    fmt::print("{}\t{}\t{}\n", folder.filename().string(), how, result);
  };
  attempt("computed", computed);
  attempt("folded", folded);
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  const bool nodes = argc == 3 && std::string_view(argv[1]) == "--nodes";
  if (argc != 2 && !nodes) {
    fmt::print(stderr, "usage: onnx_imports [--nodes] FOLDER\n");
    return 2;
  }
  bool failed = false;
  for (const auto& entry : std::filesystem::directory_iterator(argv[argc - 1])) {
    if (nodes) {
      convoy::run_node(entry.path());
    } else if (entry.path().extension() == ".onnx") {
      try {
        convoy::run_network(entry.path());
      } catch (const std::exception& error) {
        failed = true;
        fmt::print("{}: {}\n", entry.path().filename().string(), error.what());
      }
    }
  }
  return failed ? 1 : 0;
}
