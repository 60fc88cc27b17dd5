// The model file: weights and everything that is needed to use them, in one safetensors file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/model.h"
#include "data/transform.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "graph/graph.h"
#include "inference/training_record.h"
#include "plan/variables.h"
#include "plan/weight_source.h"

namespace convoy {

// What a model file says of its weights.
struct ModelCard {
  std::string architecture;
  // The network that the file itself holds, where this program knows none of that name; null: it does.
  std::shared_ptr<const Model> network = {};
  ModelOptions options;
  Preprocessing preprocessing;
  std::vector<std::string> class_names;    // options.num_classes of them
  std::map<std::string, double> metrics;   // such as val_top1
  std::optional<TrainingRecord> training;  // nullopt: of another program or an older version
};

// The network that a card names. Throws Error when this program knows none of that name, and the file holds none.
const Model& model_of(const ModelCard& card);

// The card as the JSON text that model files have, and back, without the network.
std::string to_text(const ModelCard& card);
ModelCard card_from_text(const std::string& text);

// Writes the parameters and states of `graph`, with `prefix` taken off their names, each in the order of axes that
// PyTorch uses, the buffers of integers that torch's networks have beside them (inference/integer_buffer.h), the card
// as the metadata "convoy", the network itself as "convoy.network", and torch's "format" (docs/model-file.md). Atomic;
// throws Error when the file cannot be written.
void write_model_file(const std::filesystem::path& path, const ModelCard& card, const Graph& graph,
                      std::string_view prefix, const Variables& variables);

// Throws Error when the file is none that write_model_file wrote, or its card does not hold together.
ModelCard read_model_card(const SafetensorsReader& file);

// Throws Error that names the file and its tensor when one of its values is infinite or not a number.
void check_finite(std::span<const float> values, const std::filesystem::path& file, const std::string& tensor);

// The card of a checkpoint that is a model file; nullopt: it is another program's.
std::optional<ModelCard> find_model_card(const Checkpoint& file);

// The network that a card describes, for one image. Throws Error, which names the file, when there is none such.
Graph graph_of(const ModelCard& card, const std::filesystem::path& file);

// The parameters and states of `graph`, read from the file, which must outlive it, whenever they are asked for. Throws
// Error that lists missing, unexpected and misshapen tensors; integers are left alone. Throws Error, when it is read,
// for a tensor with numbers that are not finite.
WeightSource weights_in(const SafetensorsReader& file, const Graph& graph);

// Adds the parameters and states of `graph` to the variables and sets them. Throws Error as weights_in() does; for
// other tensors than the graph's before anything is changed.
void read_weights(const SafetensorsReader& file, const Graph& graph, Variables& variables);

}  // namespace convoy
