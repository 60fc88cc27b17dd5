// Networks as ONNX models, and what they answer: for tools/check_onnx.py.
//
//     onnx_samples FOLDER OPSET [NETWORK ...]
//
// For each network, or all, writes FOLDER/NAME.safetensors, a model file with drawn weights and statistics,
// FOLDER/NAME.onnx, and FOLDER/NAME.answers.safetensors with images {2, 3, S, S} and Convoy's logits. Of networks with
// norms or branches to fold also NAME.fused.*, and of resnet9 NAME.MODE.FILTER.HEIGHT.*, models with preprocessing,
// whose image is {1, HEIGHT, width, 3} bytes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/classifier.h"
#include "convoy/export.h"
#include "convoy/fuse.h"
#include "convoy/model.h"
#include "convoy/session.h"
#include "core/random.h"
#include "formats/layout.h"
#include "formats/safetensors.h"
#include "inference/model_file.h"
#include "inference/quantized_testing.h"
#include "plan/network_graph.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

constexpr int64_t kImages = 2, kSide = 64, kClasses = 10;
constexpr std::string_view kQuantized = "tiny.quantized";

void write_answers(const std::filesystem::path& model_file) {
  const TrainedNetwork network(model_file);
  Session session(network, {.batch_size = kImages, .exact = true});
  std::vector<float> images(kImages * kSide * kSide * 3), maps(images.size());
  RandomStream random(0, "images");
  for (float& x : images) x = random.uniform(-1.7F, 1.7F);
  nhwc_to_nchw({kImages, kSide, kSide, 3}, images, maps);
  const std::vector<float> logits = session.run(images)[0];
  std::filesystem::path path = model_file;
  write_safetensors(path.replace_extension(".answers.safetensors"),
                    {{"images", DType::f32, {kImages, 3, kSide, kSide}, std::as_bytes(std::span(maps))},
                     {"logits", DType::f32, {kImages, kClasses}, std::as_bytes(std::span(logits))}},
                    {});
}

void write_onnx_beside(std::filesystem::path model_file, int64_t opset) {
  write_answers(model_file);
  const std::filesystem::path from = model_file;
  export_onnx(from, {.opset = opset}, model_file.replace_extension(".onnx"));
}

void write_preprocessing_samples(const std::filesystem::path& model_file, int64_t opset) {
  struct Size {
    int height, width;
  };
  for (const ResizeMode mode : {ResizeMode::crop, ResizeMode::squash}) {
    for (const Interpolation filter :
         {Interpolation::nearest, Interpolation::box, Interpolation::bilinear, Interpolation::bicubic}) {
      for (const Size size : {Size{40, 31}, Size{97, 150}, Size{333, 211}}) {
        const SafetensorsReader file(model_file);
        ModelCard card = read_model_card(file);
        card.preprocessing.resize_mode = mode;
        card.preprocessing.interpolation = filter;
        const Graph graph = graph_of(card, model_file);
        Variables variables;
        read_weights(file, graph, variables);
        const std::string stem = model_file.stem().string();
        const std::filesystem::path path =
            model_file.parent_path() /
            fmt::format("{}.{}.{}.{}.safetensors", stem, to_string(mode), to_string(filter), size.height);
        write_model_file(path, card, graph, "", variables);
        std::vector<uint8_t> pixels(static_cast<size_t>(size.height * size.width * 3));
        RandomStream random(0, "pixels");
        for (uint8_t& x : pixels) x = static_cast<uint8_t>(random.uniform(0, 256));
        const std::vector<float> logits =
            Classifier(path, {.exact = true})
                .logits(std::vector<Pixels>{{.bytes = pixels, .width = size.width, .height = size.height}});
        std::filesystem::path out = path;
        write_safetensors(out.replace_extension(".answers.safetensors"),
                          {{"images", DType::u8, {1, size.height, size.width, 3}, std::as_bytes(std::span(pixels))},
                           {"logits", DType::f32, {1, kClasses}, std::as_bytes(std::span(logits))}},
                          {});
        out = path;
        export_onnx(path, {.opset = opset, .with_preprocessing = true}, out.replace_extension(".onnx"));
      }
    }
  }
}

// Of "tiny.quantized", a network that only a file holds.
void write_quantized_sample(const std::filesystem::path& folder, int64_t opset) {
  const std::filesystem::path file = folder / (std::string(kQuantized) + ".safetensors");
  write_quantized(file, quantized_card(kClasses, kSide));
  write_onnx_beside(file, opset);
}

void write_sample(const Model& model, const std::filesystem::path& folder, int64_t opset) {
  ModelCard card;
  card.architecture = model.name;
  card.options.num_classes = kClasses;
  card.preprocessing.image_size = kSide;
  for (int64_t i = 0; i < kClasses; ++i) card.class_names.push_back("class " + std::to_string(i));
  const Graph graph = inference_graph(model, card.options, {1, kSide, kSide, 3});
  Variables variables;
  variables.add(graph, 1);
  for (const auto& [name, variable] : variables.all()) {
    if (variable.shape.rank() != 1) continue;
    RandomStream random(0, name);
    std::vector<float> values = variables.read(name);
    const bool is_variance = name.ends_with("var");
    for (float& x : values) x = is_variance ? random.uniform(0.5F, 1.5F) : x + random.uniform(-0.1F, 0.1F);
    variables.write(name, values);
  }
  const std::filesystem::path file = folder / (model.name + ".safetensors");
  write_model_file(file, card, graph, "", variables);
  write_onnx_beside(file, opset);
  if (model.name == "resnet9") write_preprocessing_samples(file, opset);
  if (reparameterise(graph).convolutions.empty()) return;
  const std::filesystem::path fused = folder / (model.name + ".fused.safetensors");
  fuse_model(file, {.tolerance = 1e9, .measure = false}, fused);
  write_onnx_beside(fused, opset);
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: onnx_samples FOLDER OPSET [NETWORK ...]\n");
    return 2;
  }
  const std::vector<std::string> wanted(argv + 3, argv + argc);
  const auto write = [&](std::string_view name, const auto& write_it) {
    if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) return;
    write_it();
    std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
    std::fflush(stdout);
  };
  const std::filesystem::path folder = argv[1];
  const int64_t opset = std::atoll(argv[2]);
  for (const convoy::Model& model : convoy::models()) {
    write(model.name, [&] { convoy::write_sample(model, folder, opset); });
  }
  write(convoy::kQuantized, [&] { convoy::write_quantized_sample(folder, opset); });
  return 0;
}
