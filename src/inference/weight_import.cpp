#include "inference/weight_import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "convoy/error.h"
#include "formats/layout.h"
#include "formats/strict_json.h"
#include "inference/matrix_layout.h"
#include "inference/model_file.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

// {in, out} of `rows` x `columns` to {out, in}.
std::vector<float> transposed(const std::vector<float>& values, size_t rows, size_t columns) {
  std::vector<float> result(values.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) result[c * rows + r] = values[r * columns + c];
  }
  return result;
}

bool holds_optimizer_state(const Checkpoint& file) {
  return std::ranges::any_of(file.tensors(), [](const Checkpoint::Tensor& tensor) {
    return tensor.name.find("_moment1_") != std::string::npos || tensor.name.find("_velocity_") != std::string::npos;
  });
}

}  // namespace

WeightImport::WeightImport(Checkpoint file, const Model& model, const ModelOptions& options, int64_t image_size,
                           std::optional<int64_t> num_classes, bool by_order)
    : file_(std::move(file)) {
  if (const std::optional<ModelCard> card = find_model_card(file_); card && card->options.fused) {
    throw Error(fmt::format("{}: is fused; use the model file that it was made of", file_.path().string()));
  }
  const Shape images{1, image_size, image_size, 3};
  const auto tensors_for = [&](int64_t classes) {
    ModelOptions one = options, more = options;
    one.num_classes = classes;
    more.num_classes = classes + 1;
    return network_tensors(inference_graph(model, one, images), inference_graph(model, more, images));
  };
  wanted_ = tensors_for(num_classes.value_or(model.num_classes));
  if (!file_.layout()) file_.set_layout(layout_by_shapes(file_, wanted_));
  const int64_t told = classes_of(file_, model.name, wanted_);
  constexpr int64_t kMostClasses = 1'000'000;
  report_.file_classes = told > 0 && told <= kMostClasses ? told : num_classes.value_or(model.num_classes);
  report_.num_classes = num_classes.value_or(report_.file_classes);
  wanted_ = tensors_for(report_.file_classes);
  match_ = match_weights(file_, model.name, wanted_, by_order);
  replaces_head_ = report_.num_classes != report_.file_classes;
  fill_report();
}

void WeightImport::replace_head() {
  replaces_head_ = true;
  fill_report();
}

bool WeightImport::is_new_head(size_t wanted) const { return replaces_head_ && wanted_[wanted].class_axis >= 0; }

void WeightImport::fill_report() {
  const int64_t num_classes = report_.num_classes, file_classes = report_.file_classes;
  report_ = {};
  report_.num_classes = num_classes;
  report_.file_classes = file_classes;
  report_.format = to_string(file_.format());
  report_.key = file_.key();
  report_.other_keys = file_.other_keys();
  report_.prefix = match_.prefix;
  report_.names = match_.naming == nullptr ? "" : to_string(match_.naming->source);
  report_.by_order = match_.by_order;
  report_.order_problem = match_.order_problem;
  report_.integers = static_cast<int64_t>(match_.integers);
  for (const WeightMatch::Pair& pair : match_.pairs) {
    if (is_new_head(pair.wanted)) continue;
    report_.imported.push_back({wanted_[pair.wanted].name, source_names(pair), pair.transposed});
  }
  for (const WeightMatch::Pair& pair : match_.misshapen) {
    if (is_new_head(pair.wanted)) continue;
    report_.misshapen.push_back({wanted_[pair.wanted].name, source_names(pair), wanted_[pair.wanted].shape,
                                 file_.tensors()[pair.found[0]].shape});
  }
  for (const size_t wanted : match_.missing) {
    if (!is_new_head(wanted)) report_.missing.push_back(wanted_[wanted].name);
  }
  for (const size_t found : match_.unexpected) report_.unexpected.push_back(file_.tensors()[found].name);
  for (size_t wanted = 0; wanted < wanted_.size(); ++wanted) {
    if (is_new_head(wanted)) report_.new_head.push_back(wanted_[wanted].name);
  }
}

std::string WeightImport::problem(bool allow_missing, bool allow_unexpected) const {
  if (report_.imported.empty()) {
    return fmt::format(
        "{}: {}", file_.path().string(),
        holds_optimizer_state(file_)
            ? std::string("holds the state of an optimizer; import the weights that were saved beside it (.pdparams)")
        : report_.order_problem.empty()
            ? std::string(
                  "none of its tensors has a name that torchvision, timm, transformers or PaddleClas give to the "
                  "network's; --by-order matches by order and shape")
            : fmt::format("none of its tensors is one of the network's by name, nor by order and shape: {}",
                          report_.order_problem));
  }
  std::vector<std::string> faults;
  const auto count = [&](size_t number, std::string_view what) {
    if (number > 0) faults.push_back(fmt::format("{} {}", number, what));
  };
  if (!allow_missing) count(report_.missing.size(), "missing");
  if (!allow_unexpected) count(report_.unexpected.size(), "unexpected");
  count(report_.misshapen.size(), "of the wrong shape");
  if (faults.empty()) return "";
  return fmt::format("{}: the tensors do not fit the network: {}", file_.path().string(), fmt::join(faults, ", "));
}

std::string WeightImport::source_names(const WeightMatch::Pair& pair) const {
  std::vector<std::string> names;
  for (const size_t place : pair.found) names.push_back(file_.tensors()[place].name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void WeightImport::load(const Variables& variables) const {
  for (const WeightMatch::Pair& pair : match_.pairs) {
    if (is_new_head(pair.wanted)) continue;
    const NetworkTensor& tensor = wanted_[pair.wanted];
    std::vector<float> values;
    for (const size_t place : pair.found) {
      const std::vector<float> part = file_.floats(place);
      check_finite(part, file_.path(), file_.tensors()[place].name);
      values.insert(values.end(), part.begin(), part.end());
    }
    for (float& value : values) value *= pair.factor;
    if (pair.transposed) {
      values = transposed(values, static_cast<size_t>(tensor.shape[1]), static_cast<size_t>(tensor.shape[0]));
    }
    variables.fill(tensor.name, [&](std::span<float> elements) {
      from_file_layout(variables.at(tensor.name).shape, tensor.layout, values, elements);
    });
  }
}

}  // namespace convoy
