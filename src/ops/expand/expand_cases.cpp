#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> expand_cases() {
  const auto expanded = [](Builder, const std::vector<Value>& in) { return std::vector<Value>{expand(in[0], in[1])}; };
  const auto one = [&expanded](std::string name, Shape input, Shape like) {
    return OpCase{"expand/" + std::move(name), {{input}, {like, -1, 1, false}}, expanded};
  };
  return {
      one("scalar", {}, {2, 3, 5}),
      one("one_to_tiles", {1}, {3, 7, 1000}),
      one("vector_to_maps", {19}, {2, 7, 5, 19}),
      one("vector_to_tiles", {67}, {3, 17, 23, 67}),
      one("gates_to_maps", {3, 1, 1, 13}, {3, 5, 6, 13}),
      one("gates_to_tiles", {2, 1, 1, 37}, {2, 31, 29, 37}),
      one("mask_to_maps", {2, 5, 3, 1}, {2, 5, 3, 11}),
      one("mask_to_tiles", {2, 33, 31, 1}, {2, 33, 31, 21}),
      one("samples_to_tiles", {3, 1, 1, 1}, {3, 45, 47, 5}),
      one("image_to_batch", {1, 11, 7, 61}, {6, 11, 7, 61}),
      one("both", {3, 1, 7}, {3, 5, 1}),
      one("both_ways_in_turn", {2, 1, 3, 1, 5, 1}, {1, 4, 3, 2, 1, 6}),
      one("rows_of_matrices", {1, 9, 1}, {70, 1, 33}),
      one("longer_rank", {4, 1}, {2, 3, 1, 5}),
      one("shorter_like", {2, 3, 1, 5}, {4, 1}),
      one("equal_shapes", {2, 5, 3, 7}, {2, 5, 3, 7}),
      {"expand/used_twice",
       {{{3, 1}}, {{1, 5}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{mul(expand(in[0], in[1]), expand(in[1], in[0]))};
       }},
  };
}

}  // namespace convoy
