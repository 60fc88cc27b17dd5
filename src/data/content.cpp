#include "data/content.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <span>
#include <utility>

#include "convoy/error.h"
#include "core/hash.h"

namespace convoy {
namespace {

constexpr int kBits = 48;
constexpr size_t kDigits = kBits / 4;

// Every bit of the result depends on every bit of x (Stafford's variant 13 of MurmurHash3's finalizer).
uint64_t scramble(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t content_of(const Dataset& dataset, int64_t index) {
  uint64_t hash = 0;
  if (const auto bytes = dataset.encoded(index)) {
    hash = hash_bytes(bytes->size(), std::as_bytes(std::span(*bytes)));
  } else {
    const Image image = dataset.load(index);
    const auto size = static_cast<uint64_t>(image.width()) << 32 | static_cast<uint64_t>(image.height());
    hash = hash_bytes(size, std::as_bytes(std::span(image.row(0), image.bytes())));
  }
  return scramble(hash) >> (64 - kBits);
}

ContentSet::ContentSet(std::vector<uint64_t> contents) : contents_(std::move(contents)) {
  std::ranges::sort(contents_);
  contents_.erase(std::unique(contents_.begin(), contents_.end()), contents_.end());
}

bool ContentSet::contains(uint64_t content) const { return std::ranges::binary_search(contents_, content); }

std::string ContentSet::to_text() const {
  std::string text;
  for (const uint64_t content : contents_) fmt::format_to(std::back_inserter(text), "{:0{}x}", content, kDigits);
  return text;
}

ContentSet ContentSet::from_text(std::string_view text) {
  std::vector<uint64_t> contents;
  for (; text.size() >= kDigits; text.remove_prefix(kDigits)) {
    uint64_t content = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + kDigits, content, 16);
    if (error != std::errc() || end != text.data() + kDigits) break;
    contents.push_back(content);
  }
  if (!text.empty() || std::ranges::adjacent_find(contents, std::greater_equal{}) != contents.end()) {
    throw Error(fmt::format("expected ascending numbers of {} hexadecimal digits each", kDigits));
  }
  return ContentSet(std::move(contents));
}

}  // namespace convoy
