// Takes arbitrary bytes for an entry of a cache of decoded images: it is missing, or a sound image. Without the first
// byte's lowest bit, the bytes replace those of a sound entry from the place on that the second and third say.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "data/disk_cache.h"

namespace {

namespace fs = std::filesystem;

const convoy::FileStamp kStamp{"/photos/1.jpg", 1000, 77};

struct Cache {
  fs::path folder = fs::temp_directory_path() / ("convoy_fuzz_cache_" + std::to_string(getpid()));
  convoy::DiskCache cache{folder, uint64_t{1} << 30};
  fs::path entry;
  std::string whole;

  Cache() {
    convoy::Image image(7, 5);
    std::fill_n(image.row(0), image.bytes(), uint8_t{9});
    cache.put(kStamp, image);
    for (const auto& file : fs::recursive_directory_iterator(folder)) {
      if (file.is_regular_file()) entry = file.path();
    }
    std::ifstream in(entry, std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Cache cache;
  std::array<uint8_t, 3> choice{};
  const size_t chosen = std::min(size, choice.size());
  std::copy_n(data, chosen, choice.begin());
  std::string text(reinterpret_cast<const char*>(data + chosen), size - chosen);
  if (choice[0] % 2 == 0) text = cache.whole.substr(0, (choice[1] + 256U * choice[2]) % cache.whole.size()) + text;
  std::ofstream(cache.entry, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  convoy::Image image;
  if (cache.cache.get(kStamp, image) && int64_t{image.width()} * image.height() < 1) std::abort();
  return 0;
}
