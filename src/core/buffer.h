// Memory of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace convoy {

enum class Pages { huge, small };

// Zero-filled memory straight from the operating system; pages cost memory only once they are touched. Or what another
// source gave.
class Buffer {
 public:
  static constexpr size_t kAlignment = 64;

  Buffer() = default;
  // Huge pages where the system has them at hand. Throws Error when it refuses `bytes`.
  explicit Buffer(size_t bytes, Pages pages = Pages::huge);
  // Memory from elsewhere, a device's, which is given back by `release`.
  Buffer(std::byte* data, size_t size, void (*release)(std::byte*, size_t))
      : data_(data), size_(size), release_(release) {}
  ~Buffer();
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(release_, other.release_);
    return *this;
  }

  std::byte* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  void (*release_)(std::byte*, size_t) = nullptr;
};

// Physical memory that this process may still use without swapping, in bytes (also as the control group limits it).
size_t available_memory();

}  // namespace convoy
