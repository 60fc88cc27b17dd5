// Keeps decoded images.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/disk_cache.h"

namespace convoy {

// Images of a dataset, decoded once as long as they fit into a number of bytes or into a cache on disk. get() may be
// called from several threads at once.
class ImageCache {
 public:
  // disk: may be null.
  ImageCache(DatasetPtr dataset, size_t capacity, DiskCachePtr disk)
      : dataset_(std::move(dataset)),
        disk_(std::move(disk)),
        free_(static_cast<int64_t>(capacity)),
        has_room_(capacity > 0),
        images_(static_cast<size_t>(dataset_->size())) {}
  ~ImageCache() {
    for (const std::atomic<const Image*>& image : images_) delete image.load(std::memory_order_relaxed);
  }
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  // Of sample `index`, the part that `choose` asks for. The pixels live in the cache or in `scratch`, whose memory is
  // used again. Only what is kept is decoded as a whole. Throws, and tells of damage every time, as
  // Dataset::load_with_damage does.
  ImageView get(int64_t index, const PartChooser& choose, Image& scratch, std::string& damage) {
    std::atomic<const Image*>& place = images_[static_cast<size_t>(index)];
    if (const Image* cached = place.load(std::memory_order_acquire)) return part_of(*cached, choose);
    const std::optional<FileStamp> stamp = disk_ == nullptr ? std::nullopt : dataset_->stamp(index);
    if (stamp && disk_->get(*stamp, scratch)) return part_of(scratch, choose);
    const bool to_disk = stamp && disk_->accepts(), to_memory = has_room_.load(std::memory_order_relaxed);
    if (!to_disk && !to_memory) {
      scratch = dataset_->load_with_damage(index, {.part = choose, .recycled = &scratch}, damage);
      return scratch.view();
    }
    scratch = dataset_->load_with_damage(index, {.recycled = to_memory ? nullptr : &scratch}, damage);
    if (!damage.empty()) return part_of(scratch, choose);
    if (to_disk) disk_->put(*stamp, scratch);
    return part_of(to_memory ? keep(place, scratch) : scratch, choose);
  }

 private:
  static ImageView part_of(const Image& image, const PartChooser& choose) {
    return image.view().crop(choose(image.width(), image.height()));
  }

  // The image in its place where there is room for it, or else as it is.
  const Image& keep(std::atomic<const Image*>& place, Image& decoded) {
    const auto bytes = static_cast<int64_t>(decoded.bytes() + sizeof(Image));
    if (free_.fetch_sub(bytes, std::memory_order_relaxed) < bytes) {
      free_.fetch_add(bytes, std::memory_order_relaxed);
      has_room_.store(false, std::memory_order_relaxed);
      return decoded;
    }
    auto image = std::make_unique<const Image>(std::move(decoded));
    const Image* other = nullptr;
    if (place.compare_exchange_strong(other, image.get(), std::memory_order_acq_rel)) return *image.release();
    free_.fetch_add(bytes, std::memory_order_relaxed);
    return *other;  // another thread was faster
  }

  const DatasetPtr dataset_;
  const DiskCachePtr disk_;
  std::atomic<int64_t> free_;
  std::atomic<bool> has_room_;  // until an image does not fit
  std::vector<std::atomic<const Image*>> images_;
};

}  // namespace convoy
