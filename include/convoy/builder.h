// Describing a network: values, parameters and the names they carry.
//
// Threads: a graph and what builds it belong to one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "convoy/dtype.h"
#include "convoy/export_macro.h"
#include "convoy/shape.h"

namespace convoy {

class Graph;

// Whether a graph is built to be trained (batch statistics, dropout) or to infer.
enum class Mode : uint8_t { inference, training };

// A tensor of the graph under construction: the result of an op, an input or a parameter. Cheap to copy; valid as long
// as its graph is.
class CONVOY_API Value {
 public:
  Value() = default;
  Value(Graph* graph, int32_t id) : graph_(graph), id_(id) {}

  const Shape& shape() const;
  // Feature maps are {N, H, W, C}, vectors {N, C}: the channels are the last axis.
  int64_t channels() const { return shape()[-1]; }
  Graph& graph() const { return *graph_; }
  int32_t id() const { return id_; }
  explicit operator bool() const { return graph_ != nullptr; }

 private:
  Graph* graph_ = nullptr;
  int32_t id_ = -1;
};

// How a parameter starts.
struct Initializer {
  enum class Kind : uint8_t { constant, normal, uniform, truncated_normal, dirac };
  Kind kind = Kind::constant;
  // The constant, the standard deviation (truncated_normal: cut at two of them), or the bound of [-value, value).
  // dirac, for convolutions: uniform, but for the first output channels, which pass on one input channel each.
  float value = 0;
  // Unset in the attributes of an op: the op's usual start.
  bool chosen = false;

  static Initializer constant(float value) { return {Kind::constant, value, true}; }
  static Initializer normal(float deviation) { return {Kind::normal, deviation, true}; }
  static Initializer uniform(float bound) { return {Kind::uniform, bound, true}; }
  static Initializer truncated_normal(float deviation) { return {Kind::truncated_normal, deviation, true}; }
  static Initializer dirac(float bound) { return {Kind::dirac, bound, true}; }
};

// The order of a parameter's axes in files, where it differs from the order inside.
enum class FileLayout : uint8_t {
  same,
  conv,    // OIHW in files, HWIO inside
  linear,  // {out, in} in files, {1, 1, in, out} inside
};

// What a tensor is to its network, where optimizers or a change of classes treat it differently from others.
enum class Role : uint8_t {
  other,
  norm_bias,
  head_weight,  // of the layer that makes the logits; the classes are its last axis
  head_bias,
};

// A place in the graph's tree of names: the builder functions (convoy/ops.h) put an op's parameters under it.
// b / "layer1" / 0 names "layer1.0".
class CONVOY_API Builder {
 public:
  explicit Builder(Graph& graph) : graph_(&graph) {}

  Builder operator/(std::string_view name) const;
  Builder operator/(int index) const { return *this / std::to_string(index); }

  Graph& graph() const { return *graph_; }
  Mode mode() const;
  // The full name of `leaf` here.
  std::string name(std::string_view leaf) const;
  // A trainable tensor; of i8, the weight of a quantised layer, which only infers. Throws Error when the graph already
  // has one of that name.
  Value parameter(std::string_view leaf, const Shape& shape, Initializer start, FileLayout layout = FileLayout::same,
                  Role role = Role::other, DType type = DType::f32) const;
  // A tensor that lives from step to step but is not trained, such as a running mean.
  Value state(std::string_view leaf, const Shape& shape, Initializer start, FileLayout layout = FileLayout::same) const;

 private:
  Builder(Graph* graph, std::string prefix) : graph_(graph), prefix_(std::move(prefix)) {}

  Graph* graph_;
  std::string prefix_;
};

}  // namespace convoy
