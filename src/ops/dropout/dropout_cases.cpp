#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/dropout/dropout.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> dropout_cases() {
  return {
      {"dropout/half",
       {{{7, 1283}}},
       [](Builder b, const std::vector<Value>& in) { return std::vector<Value>{dropout(b / "head", in[0], 0.5F)}; }},
      {"dropout/inference_leaves_x_alone",
       {{{7, 33}}},
       [](Builder b, const std::vector<Value>& in) {
         return std::vector<Value>{relu(dropout(b, drop_path(b, in[0], 0.5F), 0.5F))};
       },
       Mode::inference},
      {"drop_path/quarter",
       {{{16, 3, 5, 7}}},
       [](Builder b, const std::vector<Value>& in) {
         return std::vector<Value>{drop_path(b / "block", in[0], 0.25F)};
       }},
      {"drop_path/residual",
       {{{16, 3, 5, 7}}, {{16, 3, 5, 7}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{append(std::make_shared<DropPathOp>(0.5F, 3), in)};
       }},
  };
}

}  // namespace convoy
