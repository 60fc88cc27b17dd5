// The tensors that live from step to step: parameters, running statistics, optimizer state.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backends.h"
#include "core/buffer.h"
#include "graph/graph.h"

namespace convoy {

// Named tensors shared by the programs of one training run, in the memory of their backend and the layout that kernels
// use.
class Variables {
 public:
  struct Variable {
    Shape shape;
    ValueKind kind = ValueKind::parameter;
    FileLayout layout = FileLayout::same;
    View view;

    int64_t elements() const { return shape.elements(); }
    // For tests: its elements where they are f32 in host memory. Throws Error when they are not.
    float* floats() const { return view.as<float>(); }
  };

  explicit Variables(const Backend& backend = cpu_backend()) : backend_(&backend) {}

  // Adds what `graph` names and this lacks, started as the graph says: a function of `seed` and the name alone; without
  // a seed zeros, for who sets all of them. Throws Error when a tensor is already here with another shape or type.
  void add(const Graph& graph, std::optional<uint64_t> seed);

  // Throws Error when there is none of that name.
  const Variable& at(std::string_view name) const;
  // Copies a variable from and to wherever its backend has it. Throws Error when there is none of that name, or
  // `values` are not as many as its elements.
  std::vector<float> read(std::string_view name) const;
  void read(std::string_view name, std::span<float> values) const;
  void write(std::string_view name, std::span<const float> values) const;
  // The same without a copy where it is f32 in host memory: its elements there, or else in `scratch`.
  std::span<const float> elements(std::string_view name, std::vector<float>& scratch) const;
  // Has `set` fill all its elements.
  void fill(std::string_view name, const std::function<void(std::span<float>)>& set) const;
  bool contains(std::string_view name) const { return variables_.contains(name); }
  const std::map<std::string, Variable, std::less<>>& all() const { return variables_; }
  size_t bytes() const { return bytes_; }
  const Backend& backend() const { return *backend_; }

 private:
  TensorType stored(const TensorType& type) const;
  bool in_place(const Variable& variable) const;
  const Variable& at(std::string_view name, size_t elements) const;

  const Backend* backend_;
  std::map<std::string, Variable, std::less<>> variables_;
  std::vector<Buffer> blocks_;
  size_t bytes_ = 0;
};

// The name of a variable that holds what is no number, or infinity.
std::optional<std::string> first_not_finite(const Variables& variables);

}  // namespace convoy
