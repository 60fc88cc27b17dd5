// Where a training sample's time goes: sample_bench DATA [SIZE] prints the microseconds of one thread that its stages
// take of an image, with the default crop and mirroring, for every image the best of five times, as a mean over 100.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "convoy/recipe.h"
#include "data/dataset.h"
#include "data/disk_cache.h"
#include "data/recipe_images.h"

namespace convoy {
namespace {

constexpr int kTimes = 5;
constexpr int64_t kImages = 100;

// Processor time: what others do meanwhile does not count.
double microseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

struct Stage {
  std::string_view name;
  double best = 0;
  double sum = 0;

  template <class Body>
  void time(const Body& body) {
    best = 1e30;
    for (int i = 0; i < kTimes; ++i) {
      const double begin = microseconds();
      body();
      best = std::min(best, microseconds() - begin);
    }
    sum += best;
  }
};

void run(const std::filesystem::path& data, int64_t size) {
  const DatasetPtr dataset = open_train_val(data).train;
  const Recipe recipe;
  const Augmenter augmenter(preprocessing_of(recipe, size), augmentation_of(recipe));
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "convoy_sample_bench";
  std::filesystem::remove_all(folder);
  DiskCache cache(folder, uint64_t{1} << 32);
  std::array<Stage, 6> stages{{{"read the file"},
                               {"decode all"},
                               {"decode the part"},
                               {"resize, mirror, normalise"},
                               {"store in the cache"},
                               {"from the cache"}}};
  auto& [read, whole, partly, resize, store, cached] = stages;
  std::vector<float> floats(static_cast<size_t>(size * size * 3));
  Image image, decoded;
  ResizeScratch scratch;
  const int64_t images = std::min(kImages, dataset->size());
  for (int64_t i = 0; i < images; ++i) {
    const SampleKey key{1, 0, static_cast<uint64_t>(i)};
    std::optional<Resizer> crop;
    const auto choose = [&](int width, int height) {
      crop = augmenter.first_crop(width, height, key);
      return crop->part();
    };
    std::vector<uint8_t> bytes;
    const std::optional<FileStamp> stamp = dataset->stamp(i);
    if (!stamp) throw Error(fmt::format("{}: is no file", dataset->name(i)));
    read.time([&] { bytes = *dataset->encoded(i); });
    whole.time([&] { decoded = decode_image(bytes, "image", {.recycled = &decoded}); });
    partly.time([&] { image = decode_image(bytes, "image", {.part = choose, .recycled = &image}); });
    resize.time([&] { augmenter(image.view(), crop, key, scratch, floats.data()); });
    store.time([&] { cache.put(*stamp, decoded); });
    cached.time([&] { cache.get(*stamp, image); });
  }
  for (const Stage& stage : stages) fmt::print("{:26} {:6.0f}\n", stage.name, stage.sum / static_cast<double>(images));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  try {
    convoy::run(argv[1], argc == 3 ? std::atoi(argv[2]) : 224);
  } catch (const convoy::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
