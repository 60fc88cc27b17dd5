#include "plan/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "convoy/error.h"
#include "core/parallel.h"
#include "core/random.h"

namespace convoy {
namespace {

size_t padded_bytes(const Shape& shape) {
  const size_t bytes = static_cast<size_t>(shape.elements()) * sizeof(float);
  return (bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
}

float draw(Initializer start, RandomStream& random) {
  switch (start.kind) {
    case Initializer::Kind::constant: break;
    case Initializer::Kind::normal: return start.value * random.normal();
    case Initializer::Kind::uniform:
    case Initializer::Kind::dirac: return random.uniform(-start.value, start.value);
    case Initializer::Kind::truncated_normal:
      for (;;) {
        if (const float x = random.normal(); x >= -2 && x <= 2) return start.value * x;
      }
  }
  return start.value;
}

// Each run of kRun elements has a random stream of its own, so that threads share the work.
void fill(float* data, int64_t count, Initializer start, uint64_t seed, const std::string& name) {
  constexpr int64_t kRun = 16384;
  parallel_for((count + kRun - 1) / kRun, [&](int64_t run, int) {
    RandomStream random(seed, name, static_cast<uint64_t>(run));
    std::generate(data + run * kRun, data + std::min(count, (run + 1) * kRun), [&] { return draw(start, random); });
  });
}

// {kernel height, kernel width, in, out}: output channel c < in is input channel c at the kernel's centre.
void pass_channels_on(float* weight, const Shape& shape) {
  const int64_t in = shape[2], out = shape[3], passed = std::min(in, out);
  const int64_t centre = shape[0] / 2 * shape[1] + shape[1] / 2;
  for (int64_t row = 0; row < shape[0] * shape[1] * in; ++row) std::fill_n(weight + row * out, passed, 0.0F);
  for (int64_t c = 0; c < passed; ++c) weight[(centre * in + c) * out + c] = 1;
}

}  // namespace

void Variables::add(const Graph& graph, std::optional<uint64_t> seed) {
  std::vector<ValueId> missing;
  size_t bytes = 0;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (!info.is_variable()) continue;
    const auto found = variables_.find(info.name);
    if (found == variables_.end()) {
      missing.push_back(id);
      bytes += padded_bytes(info.type.shape);
    } else if (found->second.shape != info.type.shape) {
      throw Error(fmt::format("{}: expected shape {}, got {}", info.name, found->second.shape.to_string(),
                              info.type.shape.to_string()));
    }
  }
  if (missing.empty()) return;
  float* next = blocks_.emplace_back(bytes).floats();
  bytes_ += bytes;
  for (const ValueId id : missing) {
    const ValueInfo& info = graph.value(id);
    variables_[info.name] = {info.type.shape, info.kind, info.layout, next};
    if (seed) fill(next, info.type.shape.elements(), info.start, *seed, info.name);
    if (seed && info.start.kind == Initializer::Kind::dirac) pass_channels_on(next, info.type.shape);
    next += padded_bytes(info.type.shape) / sizeof(float);
  }
}

const Variables::Variable& Variables::at(std::string_view name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end()) throw Error(fmt::format("there is no parameter or state named '{}'", name));
  return found->second;
}

std::optional<std::string> first_not_finite(const Variables& variables) {
  for (const auto& [name, variable] : variables.all()) {
    const std::span<const float> values(variable.data, static_cast<size_t>(variable.shape.elements()));
    if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); })) return name;
  }
  return std::nullopt;
}

}  // namespace convoy
