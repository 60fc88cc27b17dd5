// Tensors in host memory, of whichever type.
#pragma once

#include <span>

#include "convoy/kernel.h"

namespace convoy {

// Calls visit with the pointer to a tensor's elements: f64, f32, bf16, u8 or i8. Throws Error when they are of another
// type.
template <class Visit>
void with_elements(const View& view, const Visit& visit) {
  switch (view.dtype) {
    case DType::u8: return visit(view.as<uint8_t>());
    case DType::i8: return visit(view.as<int8_t>());
    case DType::bf16: return visit(view.as<Bf16>());
    case DType::f32: return visit(view.as<float>());
    default: return visit(view.as<double>());
  }
}

// Backend::upload and download. The memory of whole numbers may be that of `from`.
void host_upload(std::span<const float> from, const View& to);
void host_download(const View& from, std::span<float> to);

}  // namespace convoy
