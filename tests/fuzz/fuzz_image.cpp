// Feeds arbitrary bytes to the image decoders: they may refuse them with an Error, and nothing else, and a part of an
// image has the pixels of the whole. Seeds: tests/data/images
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "convoy/error.h"
#include "core/random.h"
#include "data/image.h"

namespace {

std::optional<convoy::Image> decode(std::span<const uint8_t> bytes, const convoy::PartChooser& part,
                                    std::string& damage) {
  try {
    return convoy::decode_image(bytes, "fuzz", {.max_pixels = 1 << 20, .part = part}, &damage);
  } catch (const convoy::Error&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  std::string damage, damage_of_part;
  const auto whole = decode({bytes, size}, {}, damage);
  convoy::Rectangle part;
  const auto choose = [&](int width, int height) {
    convoy::RandomStream random(1, "part", size);
    const auto below = [&](int count) { return static_cast<int>(random.below(static_cast<uint32_t>(count))); };
    part = {below(width), below(height), 0, 0};
    part.width = 1 + below(width - part.left);
    part.height = 1 + below(height - part.top);
    return part;
  };
  const auto found = decode({bytes, size}, choose, damage_of_part);
  if (whole.has_value() != found.has_value() || damage != damage_of_part) std::abort();
  if (!whole) return 0;
  const convoy::ImageView expected = whole->view().crop(part);
  for (int y = 0; y < part.height; ++y) {
    if (!std::equal(found->row(y), found->row(y) + found->stride(), expected.row(y))) std::abort();
  }
  return 0;
}
