#include "plan/host_tensor.h"

#include <utility>

namespace convoy {

HostTensor::HostTensor(const Program& program, std::string name) : program_(&program), name_(std::move(name)) {
  const ValueId id = program.id_of(name_);
  const View view = program.view(id);
  const auto elements = static_cast<size_t>(program.graph().value(id).type.shape.elements());
  if (program.backend().in_host_memory() && view.dtype == DType::f32) {
    values_ = {view.as<float>(), elements};
    return;
  }
  copy_.resize(elements);
  values_ = copy_;
}

void HostTensor::upload() const {
  if (!copy_.empty()) program_->write(name_, values_);
}

void HostTensor::download() const {
  if (!copy_.empty()) program_->read(name_, values_);
}

}  // namespace convoy
