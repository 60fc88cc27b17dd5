// Reads arbitrary bytes as an ONNX model, of which it makes a network, and as a lone tensor of ONNX, beside a file of
// 64 bytes, `weights`, where external data may lie. Seeds: tests/fuzz/seeds/onnx
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>

#include "convoy/error.h"
#include "formats/network_json.h"
#include "formats/onnx_model.h"
#include "inference/onnx_import.h"

namespace {

std::filesystem::path make_folder() {
  auto folder = std::filesystem::temp_directory_path() / ("convoy_fuzz_onnx_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "weights") << std::string(64, 'w');
  return folder;
}

// Whether the tensor has its elements, each byte of which can be read.
void check(const convoy::OnnxTensor& tensor) {
  size_t elements = 1;
  for (const int64_t extent : tensor.shape) elements *= static_cast<size_t>(extent);
  if (tensor.bytes.size() != elements * static_cast<size_t>(convoy::size_of(tensor.type))) std::abort();
  for (const std::byte& byte : tensor.bytes) static_cast<void>(*static_cast<const volatile std::byte*>(&byte));
}

// What it means as a network: images are small, so that runs are quick.
void trace(const convoy::OnnxModel& model) {
  for (const convoy::OnnxValue& input : model.inputs) {
    for (const auto& extent : input.shape) {
      if (std::holds_alternative<int64_t>(extent) && std::get<int64_t>(extent) > 512) return;
    }
  }
  convoy::network_to_json(convoy::onnx_network(model, 32).graph);
}

void check(const convoy::OnnxModel& model) {
  for (const convoy::OnnxTensor& tensor : model.tensors) check(tensor);
  for (const convoy::OnnxNode& node : model.nodes) {
    for (const convoy::OnnxAttribute& attribute : node.attributes) {
      if (const auto* tensor = std::get_if<convoy::OnnxTensor>(&attribute.value)) check(*tensor);
    }
  }
  trace(model);
}

// Runs what may be refused, but only with an Error of one line.
template <class Read>
void attempt(const Read& read) {
  try {
    check(read());
  } catch (const convoy::Error& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path path = make_folder() / "model.onnx";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  attempt([] { return convoy::read_onnx(path); });
  attempt([] { return convoy::read_onnx_tensor(path); });
  return 0;
}
