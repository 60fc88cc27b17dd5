#include "plan/maps.h"

#include <algorithm>

namespace convoy {

std::vector<bool> maps_of(const Graph& graph) {
  const auto count = static_cast<size_t>(graph.value_count());
  std::vector<bool> of_images(count), maps(count);
  int64_t images = 0;
  for (size_t id = 0; id < count; ++id) {
    const ValueInfo& info = graph.value(static_cast<ValueId>(id));
    if (info.kind != ValueKind::input) continue;
    of_images[id] = true;
    if (images == 0 && info.type.shape.rank() > 0) images = info.type.shape[0];
  }
  for (const Node& node : graph.nodes()) {
    const bool any = std::ranges::any_of(
        node.inputs, [&](ValueId id) { return id != kNoValue && of_images[static_cast<size_t>(id)]; });
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == kNoValue || !any || node.op->sums_images(static_cast<int>(i))) continue;
      of_images[static_cast<size_t>(id)] = true;
      const TensorType& type = graph.value(id).type;
      maps[static_cast<size_t>(id)] =
          type.dtype == DType::f32 && type.shape.rank() >= 3 && images > 0 && type.shape[0] % images == 0;
    }
  }
  for (const auto& [name, id] : graph.outputs()) maps[static_cast<size_t>(id)] = false;
  return maps;
}

DType map_type(Precision precision) { return settled(precision) == Precision::bf16 ? DType::bf16 : DType::f32; }

}  // namespace convoy
