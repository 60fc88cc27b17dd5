// Recognising images by their content, wherever they lie and whatever they are called.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace convoy {

// A number of 48 bits for the bytes of the image file, or the size and pixels of a sample that is no file: copies have
// the same, and of a million pairs of different images one has it with a probability of 4e-9. Throws Error as
// Dataset::encoded and Dataset::load do.
uint64_t content_of(const Dataset& dataset, int64_t index);

// The contents of images.
class ContentSet {
 public:
  ContentSet() = default;
  explicit ContentSet(std::vector<uint64_t> contents);

  bool empty() const { return contents_.empty(); }
  bool contains(uint64_t content) const;

  // Twelve hexadecimal digits for each, in ascending order.
  std::string to_text() const;
  // Throws Error when to_text() did not write the text.
  static ContentSet from_text(std::string_view text);

  friend bool operator==(const ContentSet&, const ContentSet&) = default;

 private:
  std::vector<uint64_t> contents_;  // ascending, each once
};

}  // namespace convoy
