// A machine that computes graphs.
#pragma once

#include <span>
#include <string_view>

#include "convoy/kernel.h"
#include "core/buffer.h"

namespace convoy {

// Used by any number of threads at once.
class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  virtual std::string_view name() const = 0;
  // Its ways to compute an op, in order of preference; empty: it has none.
  virtual std::span<const Kernel> kernels(const Op& op) const = 0;
  // As what it stores values of a type.
  virtual DType stored_as(DType type) const = 0;

  // Memory of its own, aligned to Buffer::kAlignment and filled with zeros. Throws Error when there is not enough.
  virtual Buffer allocate(size_t bytes) const = 0;
  // Whether its memory is the host's, to be read and written by pointer.
  virtual bool in_host_memory() const = 0;
  // Copies numbers to and from a tensor in its memory, of the type as which it stores f32, u8 or i8: of the latter the
  // nearest that they have.
  virtual void upload(std::span<const float> from, const View& to) const = 0;
  virtual void download(const View& from, std::span<float> to) const = 0;
  // Returns when all that was begun is done.
  virtual void synchronise() const = 0;
};

}  // namespace convoy
