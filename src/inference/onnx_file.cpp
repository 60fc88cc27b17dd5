#include "inference/onnx_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "convoy/error.h"
#include "core/random.h"
#include "formats/network_json.h"
#include "formats/onnx_model.h"
#include "formats/strict_json.h"
#include "inference/inference_step.h"
#include "inference/onnx_import.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

void read_metadata(const OnnxModel& model, OnnxFile& file) {
  const auto card = model.metadata.find("convoy"), names = model.metadata.find("class_names");
  try {
    if (card != model.metadata.end()) {
      file.card = card_from_text(card->second);
      file.class_names = file.card->class_names;
    } else if (names != model.metadata.end()) {
      file.class_names = parse_strict_json(names->second, 2, "class_names").get<std::vector<std::string>>();
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("its metadata is damaged: {}", quote_name(error.what())));
  }
}

// Whether the network treats two images as each alone.
void check_images_apart(OnnxFile& file) {
  const Model& model = *file.network;
  const int64_t size = model.image_size, pixels = size * size * 3;
  std::vector<float> noise(static_cast<size_t>(2 * pixels));
  RandomStream random(0, "import");
  for (float& value : noise) value = random.uniform(-1, 1);
  const auto logits_of = [&](int64_t batch, int64_t first) {
    InferenceStep step(model, {.num_classes = model.num_classes}, batch, size, file.variables, 0, {.exact = true});
    Buffer arena(step.arena_bytes());
    step.bind(file.variables, arena);
    for (int64_t i = 0; i < batch * pixels; ++i) {
      step.images()[i] = noise[static_cast<size_t>(first * pixels + i)];
    }
    step.run();
    return std::vector<float>(step.logits(), step.logits() + batch * model.num_classes);
  };
  const std::vector<float> both = logits_of(2, 0);
  std::vector<float> alone = logits_of(1, 0);
  const std::vector<float> second = logits_of(1, 1);
  alone.insert(alone.end(), second.begin(), second.end());
  float largest = 0, difference = 0;
  for (size_t i = 0; i < both.size(); ++i) {
    largest = std::max(largest, std::abs(alone[i]));
    difference = std::max(difference, std::abs(alone[i] - both[i]));
  }
  if (!(difference <= 1e-3F * largest)) {
    throw Error(
        fmt::format("two images at once give other logits than each alone (by {:.2g} of {:.2g}): the model is "
                    "written for one image; export it for batches of any size",
                    difference, largest));
  }
}

OnnxFile network_of(const OnnxModel& model, const std::string& name, std::optional<int64_t> image_size) {
  OnnxNetwork network = onnx_network(model, image_size);
  OnnxFile file;
  file.network = std::make_shared<const Model>(network_from_json(network_to_json(network.graph), name));
  file.sources = std::move(network.sources);
  file.softmax = network.softmax;
  read_metadata(model, file);
  const int64_t size = file.network->image_size;
  file.variables.add(inference_graph(*file.network, {.num_classes = file.network->num_classes}, {1, size, size, 3}),
                     std::nullopt);
  for (const auto& [weight, values] : network.weights) {
    if (file.variables.contains(weight)) file.variables.write(weight, values);
  }
  check_images_apart(file);
  return file;
}

}  // namespace

bool is_onnx_file(const std::filesystem::path& path) {
  return path.extension() == ".onnx" && !std::filesystem::is_directory(path);
}

OnnxFile read_onnx_file(const std::filesystem::path& path, const std::string& name, std::optional<int64_t> image_size) {
  const OnnxModel model = read_onnx(path);
  try {
    return network_of(model, name, image_size);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace convoy
