// A test case of an op. One declaration gives the comparison with the double-precision reference, the gradient against
// finite differences, each instruction set, repeatability for any number of threads, guard bytes, and the timing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "convoy/builder.h"

namespace convoy {

struct OpCase {
  struct Input {
    Shape shape;
    float low = -1, high = 1;  // filled uniformly
    bool differentiable = true;
    DType type = DType::f32;  // of integers: the nearest ones
  };

  std::string name;  // "conv2d/3x3_stride2"
  std::vector<Input> inputs;
  // Adds the op to the graph and returns what is to be compared.
  std::function<std::vector<Value>(Builder, const std::vector<Value>&)> build;
  Mode mode = Mode::training;
  // Largest allowed difference, relative to the largest element of the reference tensor.
  double tolerance = 1e-5;
  double gradient_tolerance = 1e-4;
};

// The cases of every op: those of src/ops/<op>/<op>_cases.cpp, whose functions `std::vector<OpCase> <op>_cases()` a
// list generated from the folder calls.
std::vector<OpCase> all_op_cases();

}  // namespace convoy
