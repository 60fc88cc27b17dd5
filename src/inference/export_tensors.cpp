#include "inference/export_tensors.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "convoy/error.h"
#include "formats/encode.h"
#include "formats/layout.h"

namespace convoy {
namespace {

SourceTensor translated(const Naming* naming, std::string_view model, std::string_view name) {
  return naming == nullptr ? SourceTensor{.names = {std::string(name)}} : source_tensor(*naming, model, name);
}

bool is_from(const Naming* naming, Source source) { return naming != nullptr && naming->source == source; }

std::string paddle_name(const std::string& name) {
  for (const auto& [ours, theirs] : {std::pair(".running_mean", "._mean"), std::pair(".running_var", "._variance")}) {
    if (name.ends_with(ours)) return name.substr(0, name.rfind('.')) + theirs;
  }
  return name;
}

bool is_turned(const Naming* naming, FileLayout layout) {
  return is_from(naming, Source::paddle) && layout == FileLayout::linear;
}

}  // namespace

std::vector<ExportedTensor> exported_tensors(const Naming* naming, std::string_view model, std::string_view name,
                                             FileLayout layout, const std::vector<int64_t>& shape) {
  const SourceTensor source = translated(naming, model, name);
  std::vector<int64_t> there = shape;
  if (is_turned(naming, layout)) std::swap(there[0], there[1]);
  const int64_t k = source.kernel;
  if (k > 0) there = {there[0], there[1] / (k * k), k, k};
  there[0] /= static_cast<int64_t>(source.names.size());
  std::vector<ExportedTensor> tensors;
  for (const std::string& part : source.names) {
    tensors.push_back({is_from(naming, Source::paddle) ? paddle_name(part) : part, there});
  }
  return tensors;
}

IntegerBuffer exported_buffer(const Naming* naming, std::string_view model, std::string_view name,
                              const std::vector<int64_t>& shape) {
  IntegerBuffer buffer = integer_buffer_beside(name, shape);
  if (naming == nullptr || buffer.values.empty()) return buffer;
  const bool is_index = !buffer.shape.empty();
  if (naming->source == (is_index ? Source::timm : Source::paddle)) return {};
  if (is_index && naming->source != Source::torchvision) {
    const auto pixels = std::llround(std::sqrt(static_cast<double>(buffer.shape[0])));
    buffer.shape = {pixels, pixels};
  }
  buffer.name = translated(naming, model, buffer.name).names[0];
  return buffer;
}

void ExportTensors::add(const std::string& name, FileLayout layout, const std::vector<int64_t>& shape,
                        std::vector<float> values) {
  if (is_turned(naming_, layout)) {
    std::vector<float> turned(values.size());
    from_file_layout({shape[1], shape[0]}, FileLayout::linear, values, turned);
    values = std::move(turned);
  }
  const float factor = translated(naming_, model_, name).factor;
  for (float& value : values) value /= factor;
  const std::vector<ExportedTensor> tensors = exported_tensors(naming_, model_, name, layout, shape);
  const size_t length = values.size() / tensors.size();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto part = std::span<const float>(values).subspan(i * length, length);
    const std::vector<std::byte>& bytes = bytes_.emplace_back(encode_floats(part, type_));
    for_each_element(type_, bytes, [&](size_t k, auto value) {
      if (std::isfinite(static_cast<double>(value)) || !std::isfinite(part[k])) return;
      throw NumericError(fmt::format("dtype: {:g} in '{}' is too large for {}", part[k], name, to_string(type_)));
    });
    stored_.push_back({tensors[i].name, type_, tensors[i].shape, bytes});
  }
  const IntegerBuffer& buffer = buffers_.emplace_back(exported_buffer(naming_, model_, name, shape));
  if (buffer.values.empty()) return;
  stored_.push_back({buffer.name, DType::i64, buffer.shape, std::as_bytes(std::span(buffer.values))});
}

}  // namespace convoy
