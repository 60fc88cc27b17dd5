#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"
#include "formats/strict_json.h"
#include "inference/onnx_tracer.h"

namespace convoy {

bool OnnxCall::wants(size_t output) const {
  if (output >= node_.outputs.size() || node_.outputs[output].empty()) return false;
  return tracer_.is_taken(node_.outputs[output]);
}

const Traced& OnnxCall::input(size_t index) const {
  if (!has(index)) refuse(fmt::format("its input {} is missing", index));
  return tracer_.at(node_.inputs[index]);
}

const Traced& OnnxCall::computed_input(size_t index) const {
  const Traced& traced = input(index);
  if (traced.is_known()) refuse("its input does not depend on the images");
  return traced;
}

const OnnxConstant& OnnxCall::known(size_t index, std::string_view what) const {
  const Traced& traced = input(index);
  if (!traced.is_known()) refuse(fmt::format("its {} would depend on the images", what));
  return *traced.one;
}

Integers OnnxCall::known_integers(size_t index, std::string_view what) const {
  const OnnxConstant& constant = known(index, what);
  if (!constant.is_integer()) refuse(fmt::format("expected integers as its {}, got floats", what));
  return constant.integers();
}

std::vector<float> OnnxCall::known_floats(size_t index, std::string_view what) const {
  const OnnxConstant& constant = known(index, what);
  if (constant.is_integer()) refuse(fmt::format("expected floats as its {}, got integers", what));
  return constant.floats();
}

std::optional<float> OnnxCall::uniform(size_t index) const {
  if (!has(index) || !input(index).is_known()) return std::nullopt;
  const OnnxConstant& constant = *input(index).one;
  if (constant.is_integer() || constant.floats().empty()) return std::nullopt;
  const std::vector<float>& values = constant.floats();
  const bool alike = std::ranges::all_of(values, [&](float value) { return value == values[0]; });
  return alike ? std::optional(values[0]) : std::nullopt;
}

const OnnxAttribute* OnnxCall::find(std::string_view name) const {
  const auto found = std::ranges::find(node_.attributes, name, &OnnxAttribute::name);
  return found == node_.attributes.end() ? nullptr : &*found;
}

namespace {

template <class T>
T value_of(const OnnxCall& call, const OnnxAttribute* attribute, std::string_view name, T usual) {
  if (attribute == nullptr) return usual;
  const T* value = std::get_if<T>(&attribute->value);
  if (value == nullptr) call.refuse(fmt::format("its attribute {} is of another kind", quote_name(std::string(name))));
  return *value;
}

}  // namespace

int64_t OnnxCall::integer(std::string_view name, int64_t usual) const {
  return value_of(*this, find(name), name, usual);
}

float OnnxCall::number(std::string_view name, float usual) const { return value_of(*this, find(name), name, usual); }

std::string OnnxCall::text(std::string_view name, std::string_view usual) const {
  return value_of(*this, find(name), name, std::string(usual));
}

Integers OnnxCall::integers(std::string_view name, const Integers& usual) const {
  return value_of(*this, find(name), name, usual);
}

int OnnxCall::axis(int64_t axis, int rank) const {
  if (axis < -rank || axis >= rank) refuse(fmt::format("expected an axis of {}, got {}", rank, axis));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

void OnnxCall::set(size_t output, Traced traced) {
  if (output < node_.outputs.size() && !node_.outputs[output].empty()) {
    tracer_.set(node_.outputs[output], std::move(traced));
  }
}

void OnnxCall::refuse(std::string_view why) const { throw Error(std::string(why)); }

}  // namespace convoy
