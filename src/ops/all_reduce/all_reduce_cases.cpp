#include "ops/all_reduce/all_reduce.h"
#include "ops/append.h"
#include "ops/op_case.h"

namespace convoy {

// Of a world of one.
std::vector<OpCase> all_reduce_cases() {
  const auto sums = [](float scale) {
    return [scale](Builder b, const std::vector<Value>& in) {
      std::vector<ValueId> ids;
      for (const Value& value : in) ids.push_back(value.id());
      const auto count = static_cast<int64_t>(in.size());
      const std::vector<ValueId> begun = b.graph().add_node(std::make_shared<AllReduceOp>(nullptr, count, scale), ids);
      std::vector<Value> out;
      for (const ValueId id : b.graph().add_node(std::make_shared<AllReduceWaitOp>(nullptr, count), begun)) {
        out.emplace_back(&b.graph(), id);
      }
      return out;
    };
  };
  const std::vector<OpCase::Input> two{{.shape = {3, 11}, .differentiable = false},
                                       {.shape = {7}, .differentiable = false}};
  return {{"all_reduce/plain", two, sums(1)}, {"all_reduce/scaled", two, sums(0.25F)}};
}

}  // namespace convoy
