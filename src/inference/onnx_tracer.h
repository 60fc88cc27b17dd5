// How an ONNX model becomes a graph: what is known of each of its tensors, and the nodes that ops are made of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/builder.h"
#include "convoy/ops.h"
#include "formats/onnx_model.h"
#include "inference/onnx_fold.h"
#include "inference/onnx_import.h"

namespace convoy {

using Integers = std::vector<int64_t>;
using Axes = std::vector<int>;

// A tensor of the model while its graph is built. It is known, or computed from the images.
struct Traced {
  // Known: as it is with one image, and with two. These differ where it was computed from the number of images.
  std::optional<OnnxConstant> one, two;
  std::string source;  // the initializer that it is
  // Computed: axis i of `value` is the tensor's axis axes[i]. The axis that holds the images is the value's first.
  Value value;
  Axes axes;
  Integers shape;  // of one image
  int batch = -1;  // the tensor's axis along which the images lie; -1: none
  // An element of that axis has the index (o images + image) rest + i, with o below `before`; in the value, whose first
  // axis it is, (image before + o) rest + i.
  int64_t before = 1;
  // Of computed bytes: they have a sign in the model, where each is 128 lower.
  bool has_sign = false;

  bool is_known() const { return one.has_value(); }
  int rank() const { return static_cast<int>(shape.size()); }
};

class OnnxTracer;

// The inputs, attributes and outputs of the node that is lowered.
class OnnxCall {
 public:
  OnnxCall(OnnxTracer& tracer, const OnnxNode& node) : tracer_(tracer), node_(node) {}

  OnnxTracer& tracer() const { return tracer_; }
  const OnnxNode& node() const { return node_; }
  size_t input_count() const { return node_.inputs.size(); }
  size_t output_count() const { return node_.outputs.size(); }
  bool has(size_t input) const { return input < node_.inputs.size() && !node_.inputs[input].empty(); }
  bool wants(size_t output) const;
  // Throws Error where it is absent.
  const Traced& input(size_t index) const;
  // One that depends on the images. Throws Error where it does not.
  const Traced& computed_input(size_t index) const;
  // The known values of an input. Throws Error where it depends on the images.
  const OnnxConstant& known(size_t index, std::string_view what) const;
  Integers known_integers(size_t index, std::string_view what) const;
  std::vector<float> known_floats(size_t index, std::string_view what) const;
  // The only value of a known input of one element, or of one whose elements are all alike.
  std::optional<float> uniform(size_t index) const;

  bool has_attribute(std::string_view name) const { return find(name) != nullptr; }
  int64_t integer(std::string_view name, int64_t usual) const;
  float number(std::string_view name, float usual) const;
  std::string text(std::string_view name, std::string_view usual) const;
  Integers integers(std::string_view name, const Integers& usual) const;
  // The axis, from 0; negative ones count from the end. Throws Error where it is none of `rank`.
  int axis(int64_t axis, int rank) const;

  void set(size_t output, Traced traced);
  [[noreturn]] void refuse(std::string_view why) const;

 private:
  const OnnxAttribute* find(std::string_view name) const;

  OnnxTracer& tracer_;
  const OnnxNode& node_;
};

class OnnxTracer {
 public:
  OnnxTracer(const OnnxModel& model, OnnxNetwork& network);

  const OnnxModel& model() const { return model_; }
  int64_t opset() const { return model_.opset; }
  // Whether the model says that there may be any number of images.
  bool any_batch() const { return any_batch_; }
  void set_any_batch(bool any) { any_batch_ = any; }
  Graph& graph() { return network_.graph; }

  // The tensor of that name. Throws Error where nothing makes it.
  const Traced& at(const std::string& name) const;
  bool contains(const std::string& name) const { return traced_.contains(name); }
  void set(const std::string& name, Traced traced) { traced_[name] = std::move(traced); }
  // The node that makes a tensor, null where none does, and how many nodes take it.
  const OnnxNode* producer(const std::string& name) const;
  const OnnxNode* only_consumer(const std::string& name) const;
  bool is_taken(const std::string& name) const { return consumers_.contains(name); }

  // A computed tensor whose axes lie so.
  static Traced computed(Value value, Axes axes, Integers shape, int batch, int64_t before = 1);
  // One like `like` but for the value.
  static Traced alike(Value value, const Traced& like) {
    return computed(value, like.axes, like.shape, like.batch, like.before);
  }
  static Traced constant(OnnxConstant one, OnnxConstant two, std::string source = "");
  // Whether it is computed, and not floats.
  bool is_bytes(const Traced& x) const {
    return !x.is_known() && network_.graph.value(x.value.id()).type.dtype == DType::u8;
  }

  // The value with the axes in that order, the axis of the images first.
  Value ordered(const Traced& x, const Axes& axes);
  // 0 1 2 ..., and 0 2 3 ... 1, with the axis of the images first.
  Axes plain_axes(const Traced& x) const;
  Axes channels_last(const Traced& x) const;
  // Those of x with these, in their order, behind all others.
  Axes with_last(const Traced& x, const Axes& last) const;

  // Views: no nodes, or a reshape and a transposition where the new axes need one.
  Traced transposed(const Traced& x, const Axes& perm) const;
  // to_two: the shape with two images, where the model says it. Throws Error where images would be mixed.
  Traced reshaped(const Traced& x, const Integers& to, const std::optional<Integers>& to_two = {});

  // A known tensor as a value with these axes, without the leading ones of extent 1 that `axes` leaves out. Its
  // elements become a weight, or a constant where they are all alike.
  Value value_of(const Traced& x, const Axes& axes, std::string_view role);
  // A known tensor with the rank and the images of `like`, and axes that lie as in it.
  Value like_value(const Traced& x, const Traced& like, std::string_view role);
  // A weight of the network; `name` is made unique where other elements have it.
  Value weight(const std::string& name, const std::string& source, const Shape& shape, std::vector<float> values,
               FileLayout layout, bool trained, Role role = Role::other, DType type = DType::f32);
  Value uniform(const Shape& shape, float value) { return {&graph(), graph().add_constant(shape, value)}; }

  // Of a computed tensor along one of its axes: parts joined, some of it, and constants around it.
  Traced joined(const std::vector<Traced>& parts, int axis);
  Traced sliced(const Traced& x, int axis, int64_t begin, int64_t end, int64_t step = 1);
  Traced padded(const Traced& x, int axis, int64_t before, int64_t after, float fill);
  Traced added(const Traced& x, float value);
  Traced scaled(const Traced& x, float factor);
  // Over these axes, which stay with the extent 1.
  Traced mean(const Traced& x, std::set<int> axes);

  void set_head(const OnnxNode* node) { head_ = node; }
  bool is_head(const OnnxNode& node) const { return head_ == &node; }
  // The name of a weight of a node: that of its initializer, or the node's with this behind it.
  std::string weight_name(const Traced& x, const OnnxNode& node, std::string_view leaf) const;
  // Before which node's weights are named that have none of their own.
  void set_node(const OnnxNode& node) { node_ = &node; }

 private:
  const OnnxModel& model_;
  OnnxNetwork& network_;
  std::map<std::string, Traced> traced_;
  std::map<std::string, const OnnxNode*> producers_;
  std::map<std::string, std::vector<const OnnxNode*>> consumers_;
  const OnnxNode* head_ = nullptr;
  const OnnxNode* node_ = nullptr;
  bool any_batch_ = false;
};

using OnnxLowering = void (*)(OnnxCall& call);
struct OnnxOp {
  std::string_view name;
  OnnxLowering lower;
};

// The operators, by what they do.
std::span<const OnnxOp> onnx_layers();       // convolutions, matrix products, norms, pooling
std::span<const OnnxOp> onnx_elementwise();  // sums, products, activations
std::span<const OnnxOp> onnx_shaping();      // reshaping, joining, cutting, resizing

Integers broadcast_shape(const Integers& a, const Integers& b, const OnnxCall& call);

}  // namespace convoy
