// The interface of an op: everything the graph, autodiff and the planner ask of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "convoy/activation.h"
#include "convoy/shape.h"

namespace convoy {

class GradientScope;
class Op;

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
};

// A node as its kernels see it: the op with its attributes, and the types around it.
struct NodeSpec {
  const Op& op;
  std::span<const TensorType> inputs;
  std::span<const TensorType> outputs;
  bool prepared = false;  // whether the kernel's prepare is called before all runs
};

// The memory of one run of a node; pointers of what is not present are null.
struct NodeMemory {
  std::span<std::byte* const> inputs;
  std::span<std::byte* const> outputs;
  std::byte* workspace;
  const StepScalars& step;
  const std::byte* prepared = nullptr;  // what the kernel's prepare made; null: nothing was

  float* input(int i) const { return reinterpret_cast<float*>(inputs[static_cast<size_t>(i)]); }
  float* output(int i) const { return reinterpret_cast<float*>(outputs[static_cast<size_t>(i)]); }
};

// One way to compute an op. An op lists its ways in order of preference; the plan takes the first that does not refuse.
struct Kernel {
  std::string_view name;
  // Why this kernel cannot take the node; empty when it can. Null: it takes every node.
  std::string (*refuse)(const NodeSpec&);
  // Bytes of scratch memory, aligned to 64 bytes, contents undefined. Null: none.
  size_t (*workspace)(const NodeSpec&);
  void (*run)(const NodeSpec&, const NodeMemory&);
  // Trades some of f32's exactness for speed; programs that are to be exact leave it out.
  bool approximate = false;
  // What run makes of input 1, a weight, before anything else, made ahead for any number of runs: its bytes, and the
  // making, into memory aligned to 64 bytes. Null, or 0 bytes: there is nothing to make.
  size_t (*prepared_bytes)(const NodeSpec&) = nullptr;
  void (*prepare)(const NodeSpec&, const std::byte* weight, std::byte* into) = nullptr;
};

// A tensor of the double-precision reference.
struct ReferenceTensor {
  TensorType type;
  std::vector<double> data;

  double* begin() { return data.data(); }
  const double* begin() const { return data.data(); }
};

// An operation with its attributes; immutable, shared by the nodes that use it.
class Op {
 public:
  Op() = default;
  virtual ~Op() = default;
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;

  virtual std::string_view name() const = 0;
  // The attributes as text, "stride=2x2 groups=1"; empty when there are none.
  virtual std::string attributes() const { return {}; }
  // The types of the outputs. Throws Error, naming the op, when the inputs do not fit.
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
  // Computes the outputs in double precision, plainly: the oracle of the tests. Backward and update ops, which finite
  // differences and the optimizers' own tests check, have none.
  virtual void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const;
  virtual std::span<const Kernel> kernels() const = 0;
  // Multiply-accumulates of one run, as summaries count them: of convolutions, linear layers and matrix products.
  virtual int64_t multiply_adds(const NodeSpec& spec) const {
    static_cast<void>(spec);
    return 0;
  }
};

}  // namespace convoy
