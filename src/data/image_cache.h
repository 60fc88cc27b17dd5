// Keeps decoded images.
#pragma once

#include <string>
#include <utility>

#include "data/dataset.h"
#include "data/disk_cache.h"
#include "data/pixel_store.h"

namespace convoy {

// Images of a dataset, decoded once as long as they fit into a store or into a cache on disk. get() may be called from
// several threads at once.
class ImageCache {
 public:
  // pixels: for samples of this dataset. disk: may be null.
  ImageCache(DatasetPtr dataset, PixelStorePtr pixels, DiskCachePtr disk)
      : dataset_(std::move(dataset)), pixels_(std::move(pixels)), disk_(std::move(disk)) {}

  // Of sample `index`, the part that `choose` asks for. The pixels live in the store or in `scratch`, whose memory is
  // used again. Only what is kept is decoded as a whole. Throws, and tells of damage every time, as
  // Dataset::load_with_damage does.
  ImageView get(int64_t index, const PartChooser& choose, Image& scratch, std::string& damage) {
    if (const auto stored = pixels_->find(index)) return part_of(*stored, choose);
    const std::optional<FileStamp> stamp = disk_ == nullptr ? std::nullopt : dataset_->stamp(index);
    if (stamp && disk_->get(*stamp, scratch)) return part_of(scratch.view(), choose);
    const bool to_disk = stamp && disk_->accepts(), to_memory = pixels_->accepts();
    if (!to_disk && !to_memory) {
      scratch = dataset_->load_with_damage(index, {.part = choose, .recycled = &scratch}, damage);
      return scratch.view();
    }
    scratch = dataset_->load_with_damage(index, {.recycled = &scratch}, damage);
    if (damage.empty() && to_disk) disk_->put(*stamp, scratch);
    if (damage.empty() && to_memory) pixels_->store(index, scratch);
    return part_of(scratch.view(), choose);
  }

 private:
  static ImageView part_of(const ImageView& image, const PartChooser& choose) {
    return image.crop(choose(image.width, image.height));
  }

  const DatasetPtr dataset_;
  const PixelStorePtr pixels_;
  const DiskCachePtr disk_;
};

}  // namespace convoy
