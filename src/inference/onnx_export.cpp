#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "convoy/error.h"
#include "convoy/export.h"
#include "inference/model_file.h"
#include "inference/onnx_graph.h"

namespace convoy {

void export_onnx(const std::filesystem::path& model_file, const OnnxExportOptions& options,
                 const std::filesystem::path& output) {
  if (options.opset < 17 || options.opset > 22) {
    throw UsageError(fmt::format("opset: expected 17 to 22, got {}", options.opset));
  }
  const SafetensorsReader file(model_file);
  const ModelCard card = read_model_card(file);
  const Graph graph = graph_of(card, model_file);
  OnnxGraphOptions graph_options{.opset = options.opset, .softmax = options.softmax};
  if (options.with_preprocessing) graph_options.preprocessing = card.preprocessing;
  OnnxModel model = to_onnx(graph, weights_in(file, graph), graph_options);
  model.graph_name = card.architecture;
  model.metadata["convoy"] = to_text(card);
  model.metadata["class_names"] = nlohmann::json(card.class_names).dump();
  write_onnx(output, model);
}

}  // namespace convoy
