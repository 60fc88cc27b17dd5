// The attributes of an op as data: what its text, its equality and its form in files are made of.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "convoy/activation.h"
#include "convoy/export_macro.h"
#include "convoy/shape.h"
#include "convoy/unary.h"

namespace convoy {

using AttributeValue = std::variant<bool, int64_t, float, double, std::string, std::vector<int64_t>>;

struct Attribute {
  std::string key;
  AttributeValue value;
  bool usual = false;  // as it is unless something else is said

  friend bool operator==(const Attribute&, const Attribute&) = default;
};

// "stride=2x2 statistics activation=relu": those that are not usual.
CONVOY_API std::string to_string(std::span<const Attribute> attributes);

inline AttributeValue to_attribute(bool value) { return value; }
inline AttributeValue to_attribute(int value) { return static_cast<int64_t>(value); }
inline AttributeValue to_attribute(int64_t value) { return value; }
inline AttributeValue to_attribute(uint64_t value) { return static_cast<int64_t>(value); }
inline AttributeValue to_attribute(float value) { return value; }
inline AttributeValue to_attribute(double value) { return value; }
inline AttributeValue to_attribute(const std::vector<int64_t>& value) { return value; }
inline AttributeValue to_attribute(Size2 value) { return std::vector<int64_t>{value.h, value.w}; }
CONVOY_API AttributeValue to_attribute(const Shape& value);
CONVOY_API AttributeValue to_attribute(Activation value);
CONVOY_API AttributeValue to_attribute(UnaryFunction value);

// Sets `value`; false where the attribute is of another type, or out of range. A whole number may stand for a float.
CONVOY_API bool from_attribute(const AttributeValue& attribute, bool& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, int& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, int64_t& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, uint64_t& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, float& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, double& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, std::vector<int64_t>& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, Size2& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, Shape& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, Activation& value);
CONVOY_API bool from_attribute(const AttributeValue& attribute, UnaryFunction& value);

// An op lists its attributes once, for whoever visits:
//     template <class Self, class Visitor>
//     static void describe(Self& self, Visitor& visit) {
//       visit("kernel", self.kernel_);           // always said
//       visit("stride", self.stride_, Size2(1));  // said where it is not the usual
//     }
// This one writes them down.
class AttributeWriter {
 public:
  template <class T>
  void operator()(std::string_view key, const T& value) {
    attributes_.push_back({std::string(key), to_attribute(value), false});
  }
  template <class T>
  void operator()(std::string_view key, const T& value, const std::type_identity_t<T>& usual) {
    attributes_.push_back({std::string(key), to_attribute(value), value == usual});
  }
  std::vector<Attribute> take() { return std::move(attributes_); }

 private:
  std::vector<Attribute> attributes_;
};

// This one sets them from a list. Throws Error, naming op and attribute, when one is missing or of another type.
class CONVOY_API AttributeReader {
 public:
  AttributeReader(std::string_view op, std::span<const Attribute> attributes);

  template <class T>
  void operator()(std::string_view key, T& value) {
    read(key, value, true);
  }
  template <class T>
  void operator()(std::string_view key, T& value, const std::type_identity_t<T>& usual) {
    value = usual;
    read(key, value, false);
  }
  // Throws Error when the list has an attribute that nobody asked for.
  void finish() const;

 private:
  template <class T>
  void read(std::string_view key, T& value, bool required) {
    const AttributeValue* found = find(key, required);
    if (found != nullptr && !from_attribute(*found, value)) wrong(key, *found);
  }
  const AttributeValue* find(std::string_view key, bool required);
  [[noreturn]] void wrong(std::string_view key, const AttributeValue& value) const;

  std::string_view op_;
  std::span<const Attribute> attributes_;
  std::vector<bool> asked_;
};

}  // namespace convoy
