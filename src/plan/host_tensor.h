// A tensor of a program, at hand on the host.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/program.h"

namespace convoy {

// An input or output of a bound program as numbers in host memory: in place where the backend has it there as f32, else
// a copy that is uploaded before a run or downloaded after it.
class HostTensor {
 public:
  HostTensor() = default;
  HostTensor(const Program& program, std::string name);

  std::span<float> values() const { return values_; }
  void upload() const;
  void download() const;

 private:
  const Program* program_ = nullptr;
  std::string name_;
  std::vector<float> copy_;
  std::span<float> values_;
};

}  // namespace convoy
