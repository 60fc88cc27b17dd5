// Decoded images in memory that the ranks of a machine may share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/buffer.h"
#include "data/image.h"

namespace convoy {

class World;

// The pixels of samples by their numbers, as far as they fit. What is stored stays where it is. Several threads, and
// processes that have mapped the same memory, may use it at once, and a process that dies meanwhile costs the others
// nothing but the room of what it was about to store.
class PixelStore {
 public:
  // In memory of this process. capacity: bytes of the images. Throws MemoryError when the system refuses them.
  PixelStore(int64_t samples, size_t capacity)
      : PixelStore(samples, Buffer(bytes_for(samples, capacity), Pages::small)) {}
  // In that memory, which is bytes_for() large, and zero when the first of its stores is made.
  PixelStore(int64_t samples, Buffer memory);

  static size_t bytes_for(int64_t samples, size_t capacity);

  // The image of the sample, while this lives; nullopt where it is not there.
  std::optional<ImageView> find(int64_t sample) const;

  // Whether images are stored; no more once one did not fit.
  bool accepts() const { return accepts_.load(std::memory_order_relaxed); }
  // Stores it unless it is there.
  void store(int64_t sample, const Image& image);

 private:
  std::atomic_ref<uint64_t> word(size_t offset) const;

  const Buffer memory_;
  const size_t first_image_;  // where images begin
  std::atomic<bool> accepts_;
};

using PixelStorePtr = std::shared_ptr<PixelStore>;

// A store for a dataset that is the same on all ranks of `world`, which all call this; null: for one process. The ranks
// of a host share one, which holds what they hold together; a rank that cannot open the others' memory, because it does
// not see their processes, has one of its own. bytes: that this rank has to give.
PixelStorePtr make_pixel_store(int64_t samples, size_t bytes, World* world);

}  // namespace convoy
