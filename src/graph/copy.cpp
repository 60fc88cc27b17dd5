#include "graph/copy.h"

namespace convoy {

ValueId add_copy(Graph& graph, const ValueInfo& info) {
  switch (info.kind) {
    case ValueKind::input: return graph.add_input(info.name, info.type);
    case ValueKind::parameter:
      return graph.add_parameter(info.name, info.type.shape, info.start, info.layout, info.role, info.type.dtype);
    case ValueKind::state: return graph.add_state(info.name, info.type.shape, info.start, info.layout);
    case ValueKind::constant: return graph.add_constant(info.type.shape, info.start.value);
    case ValueKind::activation: break;
  }
  return kNoValue;
}

}  // namespace convoy
