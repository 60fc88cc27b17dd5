// Counter-based random numbers: any number of any stream, in any order, from any thread.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace convoy {

// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

// FNV-1a: names a stream after its purpose.
constexpr uint64_t hash_name(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

// A sequence of random numbers that is a pure function of (seed, purpose, major, minor): seed of the run, what the
// numbers are for, and two indices such as epoch and sample. `minor` is used modulo 2^32, and a stream is 2^34 draws
// long.
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view purpose, uint64_t major = 0, uint64_t minor = 0)
      : RandomStream(seed, hash_name(purpose), major, minor) {}
  RandomStream(uint64_t seed, uint64_t purpose_hash, uint64_t major, uint64_t minor) {
    const auto mixed = philox({static_cast<uint32_t>(major), static_cast<uint32_t>(major >> 32),
                               static_cast<uint32_t>(purpose_hash), static_cast<uint32_t>(purpose_hash >> 32)},
                              {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    key_ = {mixed[0], mixed[1]};
    base_ = {mixed[2], mixed[3], static_cast<uint32_t>(minor)};
  }

  uint32_t next_u32() {
    if (left_ == 0) {
      block_ = philox({base_[0], base_[1], base_[2], index_++}, key_);
      left_ = 4;
    }
    return block_[static_cast<size_t>(--left_)];
  }
  // Uniform in [0, 1), 24 bits.
  float uniform() { return static_cast<float>(next_u32() >> 8) * 0x1p-24F; }
  // Uniform in [low, high]: rounding may reach high.
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  // Uniform integer in [0, bound), bound at least 1, without bias beyond 2^-32.
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>((uint64_t{next_u32()} * bound) >> 32); }
  // Standard normal, by pairs (Box and Muller, 1958).
  float normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const float u = 1 - uniform();  // in (0, 1]
    const float angle = 6.2831853F * uniform();
    const float radius = std::sqrt(-2.0F * std::log(u));
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  std::array<uint32_t, 2> key_{};
  std::array<uint32_t, 3> base_{};
  uint32_t index_ = 0;
  std::array<uint32_t, 4> block_{};
  int left_ = 0;
  float spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace convoy
