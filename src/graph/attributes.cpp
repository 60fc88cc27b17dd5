#include "convoy/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "convoy/error.h"

namespace convoy {
namespace {

std::string text_of(const AttributeValue& value) {
  const auto text = [](const auto& x) {
    if constexpr (std::is_same_v<std::decay_t<decltype(x)>, std::vector<int64_t>>) {
      return x.empty() ? std::string("[]") : fmt::format("{}", fmt::join(x, "x"));
    } else {
      return fmt::format("{}", x);
    }
  };
  return std::visit(text, value);
}

template <class T>
bool take(const AttributeValue& attribute, T& value) {
  const T* held = std::get_if<T>(&attribute);
  if (held != nullptr) value = *held;
  return held != nullptr;
}

// A number of any type; none: it is no number.
std::optional<double> number(const AttributeValue& attribute) {
  if (const auto* x = std::get_if<double>(&attribute)) return *x;
  if (const auto* x = std::get_if<float>(&attribute)) return *x;
  if (const auto* x = std::get_if<int64_t>(&attribute)) return static_cast<double>(*x);
  return std::nullopt;
}

}  // namespace

std::string to_string(std::span<const Attribute> attributes) {
  std::string text;
  for (const Attribute& attribute : attributes) {
    if (attribute.usual) continue;
    if (!text.empty()) text += ' ';
    text += attribute.key;
    if (const bool* flag = std::get_if<bool>(&attribute.value); flag != nullptr && *flag) continue;
    text.append(1, '=').append(text_of(attribute.value));
  }
  return text;
}

AttributeValue to_attribute(const Shape& value) {
  return std::vector<int64_t>(value.extents().begin(), value.extents().end());
}

AttributeValue to_attribute(Activation value) { return std::string(to_string(value)); }

AttributeValue to_attribute(UnaryFunction value) { return std::string(to_string(value)); }

bool from_attribute(const AttributeValue& attribute, bool& value) { return take(attribute, value); }
bool from_attribute(const AttributeValue& attribute, int64_t& value) { return take(attribute, value); }
bool from_attribute(const AttributeValue& attribute, std::vector<int64_t>& value) { return take(attribute, value); }

bool from_attribute(const AttributeValue& attribute, int& value) {
  int64_t wide = 0;
  if (!take(attribute, wide) || wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    return false;
  }
  value = static_cast<int>(wide);
  return true;
}

bool from_attribute(const AttributeValue& attribute, uint64_t& value) {
  int64_t bits = 0;
  if (!take(attribute, bits)) return false;
  value = static_cast<uint64_t>(bits);
  return true;
}

bool from_attribute(const AttributeValue& attribute, double& value) {
  const std::optional<double> found = number(attribute);
  if (found) value = *found;
  return found.has_value();
}

bool from_attribute(const AttributeValue& attribute, float& value) {
  const std::optional<double> found = number(attribute);
  if (!found || std::abs(*found) > std::numeric_limits<float>::max()) return false;
  value = static_cast<float>(*found);
  return true;
}

bool from_attribute(const AttributeValue& attribute, Size2& value) {
  std::vector<int64_t> extents;
  if (!take(attribute, extents) || extents.size() != 2) return false;
  value = Size2(extents[0], extents[1]);
  return true;
}

bool from_attribute(const AttributeValue& attribute, Shape& value) {
  std::vector<int64_t> extents;
  if (!take(attribute, extents)) return false;
  value = Shape(extents);
  return true;
}

bool from_attribute(const AttributeValue& attribute, Activation& value) {
  std::string name;
  const std::optional<Activation> found = take(attribute, name) ? activation_from_string(name) : std::nullopt;
  if (found) value = *found;
  return found.has_value();
}

bool from_attribute(const AttributeValue& attribute, UnaryFunction& value) {
  std::string name;
  const std::optional<UnaryFunction> found = take(attribute, name) ? unary_from_string(name) : std::nullopt;
  if (found) value = *found;
  return found.has_value();
}

AttributeReader::AttributeReader(std::string_view op, std::span<const Attribute> attributes)
    : op_(op), attributes_(attributes), asked_(attributes.size(), false) {}

const AttributeValue* AttributeReader::find(std::string_view key, bool required) {
  const auto found = std::ranges::find(attributes_, key, &Attribute::key);
  if (found == attributes_.end()) {
    if (required) throw Error(fmt::format("{}: the attribute '{}' is missing", op_, key));
    return nullptr;
  }
  asked_[static_cast<size_t>(found - attributes_.begin())] = true;
  return &found->value;
}

void AttributeReader::wrong(std::string_view key, const AttributeValue& value) const {
  throw Error(fmt::format("{}: the attribute '{}' cannot be {}", op_, key, text_of(value)));
}

void AttributeReader::finish() const {
  for (size_t i = 0; i < attributes_.size(); ++i) {
    if (!asked_[i]) throw Error(fmt::format("{}: it has no attribute '{}'", op_, attributes_[i].key));
  }
}

}  // namespace convoy
