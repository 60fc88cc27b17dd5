// The bytes of a pickle, from first to last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "convoy/error.h"

namespace convoy {

// Every member throws Error where the bytes end too early.
class PickleStream {
 public:
  explicit PickleStream(std::span<const std::byte> bytes) : bytes_(bytes) {}

  // Bytes taken so far.
  size_t position() const { return at_; }

  std::span<const std::byte> take(uint64_t count) {
    if (count > bytes_.size() - at_) throw Error("a pickle ends in the middle of a value");
    const auto taken = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += taken.size();
    return taken;
  }

  // Little endian.
  template <class Integer>
  Integer integer() {
    Integer value;
    std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
    return value;
  }

  std::string_view text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  // Up to the end of the line, which is taken, too.
  std::string_view line() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::ranges::find(rest, std::byte{'\n'});
    if (end == rest.end()) throw Error("a pickle ends in the middle of a line");
    const std::string_view found = text(static_cast<uint64_t>(end - rest.begin()));
    ++at_;
    return found;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

}  // namespace convoy
