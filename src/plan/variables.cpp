#include "plan/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "convoy/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "plan/memory.h"

namespace convoy {
namespace {

size_t padded_bytes(const TensorType& type) {
  return align(static_cast<size_t>(type.shape.elements() * size_of(type.dtype)));
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

void start(float* data, const ValueInfo& info, uint64_t seed) {
  fill(data, info.type.shape.elements(), info.start, seed, info.name);
  if (info.start.kind == Initializer::Kind::dirac) pass_channels_on(data, info.type.shape);
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
      bytes += padded_bytes(stored(info.type));
    } else if (found->second.shape != info.type.shape || found->second.view.dtype != stored(info.type).dtype) {
      throw InternalError(fmt::format("{}: expected {} {}, got {} {}", info.name, to_string(found->second.view.dtype),
                                      found->second.shape.to_string(), to_string(stored(info.type).dtype),
                                      info.type.shape.to_string()));
    }
  }
  if (missing.empty()) return;
  // The small ones together: a large one that is never touched then costs no memory, in whatever pages it comes.
  std::ranges::stable_sort(missing, {}, [&](ValueId id) { return graph.value(id).type.shape.elements(); });
  std::byte* next = blocks_.emplace_back(backend_->allocate(bytes)).data();
  bytes_ += bytes;
  for (const ValueId id : missing) {
    const ValueInfo& info = graph.value(id);
    const TensorType type = stored(info.type);
    variables_[info.name] = {type.shape, info.kind, info.layout, {type.dtype, next}};
    next += padded_bytes(type);
    if (seed) fill(info.name, [&](std::span<float> values) { start(values.data(), info, *seed); });
  }
}

TensorType Variables::stored(const TensorType& type) const { return {type.shape, backend_->stored_as(type.dtype)}; }

bool Variables::in_place(const Variable& variable) const {
  return variable.view.dtype == DType::f32 && backend_->in_host_memory();
}

std::vector<float> Variables::read(std::string_view name) const {
  std::vector<float> values(static_cast<size_t>(at(name).elements()));
  read(name, values);
  return values;
}

void Variables::read(std::string_view name, std::span<float> values) const {
  backend_->download(at(name, values.size()).view, values);
}

void Variables::write(std::string_view name, std::span<const float> values) const {
  backend_->upload(values, at(name, values.size()).view);
}

const Variables::Variable& Variables::at(std::string_view name, size_t elements) const {
  const Variable& variable = at(name);
  if (elements != static_cast<size_t>(variable.elements())) {
    throw InternalError(fmt::format("{}: expected {} values, got {}", name, variable.elements(), elements));
  }
  return variable;
}

std::span<const float> Variables::elements(std::string_view name, std::vector<float>& scratch) const {
  const Variable& variable = at(name);
  const auto count = static_cast<size_t>(variable.elements());
  if (in_place(variable)) return {variable.view.as<const float>(), count};
  scratch.resize(count);
  backend_->download(variable.view, scratch);
  return scratch;
}

void Variables::fill(std::string_view name, const std::function<void(std::span<float>)>& set) const {
  const Variable& variable = at(name);
  const auto count = static_cast<size_t>(variable.elements());
  if (in_place(variable)) return set({variable.view.as<float>(), count});
  std::vector<float> values(count);
  set(values);
  backend_->upload(values, variable.view);
}

const Variables::Variable& Variables::at(std::string_view name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end()) throw InternalError(fmt::format("there is no parameter or state named '{}'", name));
  return found->second;
}

std::optional<std::string> first_not_finite(const Variables& variables) {
  std::vector<float> scratch;
  for (const auto& [name, variable] : variables.all()) {
    if (!std::ranges::all_of(variables.elements(name, scratch), [](float x) { return std::isfinite(x); })) return name;
  }
  return std::nullopt;
}

}  // namespace convoy
