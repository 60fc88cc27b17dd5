// Keeps decoded images.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace convoy {

// Images of a dataset, decoded once as long as they fit into a number of bytes. get() may be called from several
// threads at once.
class ImageCache {
 public:
  ImageCache(DatasetPtr dataset, size_t capacity)
      : dataset_(std::move(dataset)),
        free_(static_cast<int64_t>(capacity)),
        images_(static_cast<size_t>(dataset_->size())) {}
  ~ImageCache() {
    for (const std::atomic<const Image*>& image : images_) delete image.load(std::memory_order_relaxed);
  }
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  // Sample `index`. The pixels live in the cache or, when it is full or they come of a damaged file, in `scratch`.
  // Throws, and tells of damage every time, as Dataset::load_with_damage does.
  ImageView get(int64_t index, Image& scratch, std::string& damage) {
    std::atomic<const Image*>& place = images_[static_cast<size_t>(index)];
    if (const Image* cached = place.load(std::memory_order_acquire)) return cached->view();
    scratch = dataset_->load_with_damage(index, damage);
    if (!damage.empty()) return scratch.view();
    const auto bytes = static_cast<int64_t>(scratch.bytes() + sizeof(Image));
    if (free_.fetch_sub(bytes, std::memory_order_relaxed) < bytes) {
      free_.fetch_add(bytes, std::memory_order_relaxed);
      return scratch.view();
    }
    auto image = std::make_unique<const Image>(std::move(scratch));
    const Image* other = nullptr;
    if (place.compare_exchange_strong(other, image.get(), std::memory_order_acq_rel)) return image.release()->view();
    free_.fetch_add(bytes, std::memory_order_relaxed);
    return other->view();  // another thread was faster
  }

 private:
  const DatasetPtr dataset_;
  std::atomic<int64_t> free_;
  std::vector<std::atomic<const Image*>> images_;
};

}  // namespace convoy
