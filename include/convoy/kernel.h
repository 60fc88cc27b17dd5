// How an op is computed: kernels, and the memory that they are given.
//
// Threads: a kernel may be run by several at once, each with memory of its own; parallel work is the team's
// (core/parallel.h).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "convoy/bf16.h"
#include "convoy/export_macro.h"
#include "convoy/op.h"

namespace convoy {

template <class T>
struct ElementType;
template <>
struct ElementType<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct ElementType<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct ElementType<Bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct ElementType<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct ElementType<int8_t> {
  static constexpr DType value = DType::i8;
};

// A tensor in memory.
struct CONVOY_API View {
  DType dtype = DType::f32;
  std::byte* data = nullptr;  // null: not present

  // Its elements. Throws Error when they are of another type.
  template <class T>
  T* as() const {
    constexpr DType kAsked = ElementType<std::remove_const_t<T>>::value;
    if (dtype != kAsked) wrong_type(kAsked);
    return reinterpret_cast<T*>(data);
  }

 private:
  [[noreturn]] void wrong_type(DType asked) const;
};

// A node as its kernels see it: the op with its attributes, and the types around it, as the backend stores them.
struct NodeSpec {
  const Op& op;
  std::span<const TensorType> inputs;
  std::span<const TensorType> outputs;
  bool prepared = false;  // whether the kernel's prepare is called before all runs
  // Where only some rows of a map are to be computed, from those that they are made of (Op::row_window): the rows of
  // zeros that count above those of input 0. The types are those of these rows alone.
  std::optional<int64_t> rows_above = std::nullopt;

  // The op, of a kind that the kernel table says.
  template <class T>
  const T& as() const {
    return static_cast<const T&>(op);
  }
};

// The memory of one run of a node.
struct NodeMemory {
  std::span<const View> inputs;
  std::span<const View> outputs;
  std::byte* workspace;
  const StepScalars& step;
  const std::byte* prepared = nullptr;  // what the kernel's prepare made; null: nothing was

  // Null where it is not present.
  const float* input(int i) const { return inputs[static_cast<size_t>(i)].as<const float>(); }
  float* output(int i) const { return outputs[static_cast<size_t>(i)].as<float>(); }
  // An input that the op changes (Op::mutates).
  float* variable(int i) const { return inputs[static_cast<size_t>(i)].as<float>(); }
};

inline constexpr DType kF32[] = {DType::f32};

// One way to compute an op. A backend lists its ways in order of preference; the plan takes the first that takes the
// types and does not refuse.
struct Kernel {
  std::string_view name;
  // Why this kernel cannot take the node; empty when it can. Null: it takes every node.
  std::string (*refuse)(const NodeSpec&) = nullptr;
  // Bytes of scratch memory, aligned to 64 bytes, contents undefined, for the team that is current when it is asked.
  // Null: none.
  size_t (*workspace)(const NodeSpec&) = nullptr;
  void (*run)(const NodeSpec&, const NodeMemory&) = nullptr;
  // Trades some of f32's exactness for speed; programs that are to be exact leave it out.
  bool approximate = false;
  // What run makes of input 1, a weight, before anything else, made ahead for any number of runs: its bytes, and the
  // making, into memory aligned to 64 bytes. Null, or 0 bytes: there is nothing to make.
  size_t (*prepared_bytes)(const NodeSpec&) = nullptr;
  void (*prepare)(const NodeSpec&, const View& weight, std::byte* into) = nullptr;
  // The types of inputs and outputs that it takes.
  std::span<const DType> accepts = kF32;
};

// A backend's ways to compute the op of that name.
struct KernelTable {
  std::string_view op;
  std::span<const Kernel> kernels;
};

}  // namespace convoy
