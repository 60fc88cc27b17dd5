// The interface of an op: everything that the graph, autodiff and the planner ask of it. How it is computed is the
// backends' to know (convoy/kernel.h).
//
// Threads: ops are never changed, and shared freely.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "convoy/activation.h"
#include "convoy/attributes.h"
#include "convoy/dtype.h"
#include "convoy/export_macro.h"
#include "convoy/shape.h"

namespace convoy {

class GradientScope;

// The type of a value. An optional input or output that a node does not have is not present.
struct TensorType {
  Shape shape;
  DType dtype = DType::f32;
  bool present = true;

  friend bool operator==(const TensorType&, const TensorType&) = default;
  static TensorType absent() { return {Shape{}, DType::f32, false}; }
};

// What differs from one run of a program to the next.
struct StepScalars {
  uint64_t seed = 0;        // of the training run: randomness is a function of (seed, step, op)
  int64_t step = 0;         // batches run before this one
  int64_t update = 0;       // parameter updates made before this one: step, unless gradients are accumulated
  int64_t updates = 0;      // of the whole run
  float learning_rate = 0;  // of this update
  float momentum = -1;      // of this update, where a schedule varies it; below 0: the optimizer's own
  // Where a batch is computed in slices: the samples of this one, and those of the batch before it.
  int64_t samples = 0;
  int64_t first_sample = 0;
};

// An input of an op.
struct Slot {
  enum class Kind : uint8_t {
    required,
    optional,  // a node may leave it out
    many,      // the last: any number of inputs, at least one
  };
  std::string_view name;
  Kind kind = Kind::required;
};

// The rows of an input {N, H, W, C} that row y of an output {N, H', W', C'} is made of: `extent` of them from
// y * stride - padding on, of which those outside of the input count as zeros, or not at all.
struct RowWindow {
  int64_t extent = 1, stride = 1, padding = 0;
};

// A tensor of the double-precision reference. u8 elements are numbers from 0 to 255, i8 from -128 to 127.
struct ReferenceTensor {
  TensorType type;
  std::vector<double> data;

  double* begin() { return data.data(); }
  const double* begin() const { return data.data(); }
};

// An operation with its attributes; immutable, shared by the nodes that use it. Ops derive from OpOf, below.
class CONVOY_API Op {
 public:
  Op() = default;
  virtual ~Op() = default;
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;

  virtual std::string_view name() const = 0;
  // The inputs, in order.
  virtual std::span<const Slot> slots() const = 0;
  virtual std::vector<Attribute> attributes() const = 0;
  // The types of the outputs; inputs are as many as there are slots, and required ones present. Throws Error, naming
  // the op, when they do not fit, whatever they and the attributes are.
  virtual std::vector<TensorType> infer(std::span<const TensorType> inputs) const = 0;
  // Whether running the op changes input i (a parameter or state) in place.
  virtual bool mutates(int input) const {
    static_cast<void>(input);
    return false;
  }
  // Pairs {output, input} that may share memory when the input is not needed afterwards.
  virtual std::vector<std::pair<int, int>> in_place() const { return {}; }
  // The optional input that is added to output 0, so that a sum that follows can be part of the op; -1: there is none.
  virtual int addend() const { return -1; }
  // The op that also applies `function` to output 0 last, after any addend; null when it cannot.
  virtual std::shared_ptr<const Op> with_activation(Activation function) const {
    static_cast<void>(function);
    return nullptr;
  }
  // Adds the nodes that compute the gradients of the inputs. The default: the op has none, which throws Error.
  virtual void gradient(GradientScope& scope) const;
  // Computes the outputs (zeros at first) in double precision, plainly, and changes the inputs that it mutates: what
  // the reference backend runs, and the oracle of the tests. The default: there is none, which throws Error.
  virtual void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                         const StepScalars& step) const;
  // Whether an output sums over the images, as statistics and gradients of weights do: it is as exact as a weight,
  // whatever maps are stored as.
  virtual bool sums_images(int output) const {
    static_cast<void>(output);
    return false;
  }
  // Which rows of input i each row of the only output is made of, where both are maps; none: it is read as a whole.
  // Kernels of an op that has such an input compute some rows alone where they are asked to (NodeSpec::rows_above).
  // Inputs but the first have rows of their own for each row of the output.
  virtual std::optional<RowWindow> row_window(int input) const {
    static_cast<void>(input);
    return std::nullopt;
  }
  // Multiply-accumulates of one run, as summaries count them: of convolutions, linear layers and matrix products.
  virtual int64_t multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const {
    static_cast<void>(inputs), static_cast<void>(outputs);
    return 0;
  }
};

// What an op says of itself by constants and by one function:
//     class DropoutOp : public OpOf<DropoutOp> {
//      public:
//       static constexpr std::string_view kName = "dropout";
//       static constexpr Slot kSlots[] = {{"input"}};
//       template <class Self, class Visitor>
//       static void describe(Self& self, Visitor& visit) { visit("probability", self.probability_); }
// It has a default constructor, after which `describe` can set everything. Ops with something in common share a `Base`.
template <class Derived, class Base = Op>
class OpOf : public Base {
 public:
  using Base::Base;

  std::string_view name() const override { return Derived::kName; }
  std::span<const Slot> slots() const override { return Derived::kSlots; }
  std::vector<Attribute> attributes() const override {
    AttributeWriter writer;
    Derived::describe(static_cast<const Derived&>(*this), writer);
    return writer.take();
  }
};

// Whether two ops are the same, attributes included.
CONVOY_API bool same_op(const Op& a, const Op& b);

// Throws Error, naming the op and the slot, when these are not the inputs that the op's slots ask for.
CONVOY_API void check_slots(const Op& op, std::span<const TensorType> inputs);

// A kind of op, by its name.
struct OpType {
  std::string_view name;
  // Throws Error when an attribute is missing, of another type, or one that the op does not have.
  std::shared_ptr<const Op> (*make)(std::span<const Attribute>);
};

template <class T>
OpType op_type() {
  return {T::kName, [](std::span<const Attribute> attributes) -> std::shared_ptr<const Op> {
            auto op = std::make_shared<T>();
            AttributeReader reader(T::kName, attributes);
            T::describe(*op, reader);
            reader.finish();
            return op;
          }};
}

}  // namespace convoy
