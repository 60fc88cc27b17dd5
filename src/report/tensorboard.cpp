#include "report/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <string_view>

namespace convoy {
namespace {

// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), masked as TFRecord wants it.
uint32_t masked_crc32c(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
      table[i] = crc;
    }
    return table;
  }();
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  crc = ~crc;
  return std::rotr(crc, 15) + 0xA282EAD8;
}

// Protocol buffers' wire types.
enum class Wire : uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

template <class Unsigned>
void put_fixed(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint64_t field, Wire wire) { put_varint(out, field << 3 | static_cast<uint64_t>(wire)); }

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, Wire::bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// An Event up to its content: wall_time = 1, step = 2.
std::string begin_event(int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, 1, Wire::fixed64);
  put_fixed(event, std::bit_cast<uint64_t>(now.count()));
  put_key(event, 2, Wire::varint);
  put_varint(event, static_cast<uint64_t>(step));
  return event;
}

// A name of its own for every writer, sorted by time within the folder.
std::string file_name() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'l', 'o', 'c', 'a', 'l'};
  static std::atomic<int> writers{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("events.out.tfevents.{:010}.{}.{}.{}",
                     std::chrono::duration_cast<std::chrono::seconds>(now).count(), host.data(), getpid(), writers++);
}

}  // namespace

EventWriter::EventWriter(const std::filesystem::path& folder, int64_t step) : file_(folder / file_name()) {
  std::string version = begin_event(0);
  put_bytes(version, 3, "brain.Event:2");
  append_record(version);
  if (step > 0) {
    // session_log = 7 with status = 1 (START).
    std::string start = begin_event(step);
    put_bytes(start, 7, std::string{'\x08', '\x01'});
    append_record(start);
  }
}

void EventWriter::append(int64_t step, std::span<const Scalar> scalars) {
  // summary = 5: repeated value = 1 of {tag = 1, simple_value = 2}.
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    put_bytes(value, 1, scalar.tag);
    put_key(value, 2, Wire::fixed32);
    put_fixed(value, std::bit_cast<uint32_t>(scalar.value));
    put_bytes(summary, 1, value);
  }
  std::string event = begin_event(step);
  put_bytes(event, 5, summary);
  append_record(event);
}

// TFRecord: length, its checksum, the bytes, their checksum.
void EventWriter::append_record(const std::string& event) {
  std::string record;
  put_fixed(record, uint64_t{event.size()});
  put_fixed(record, masked_crc32c(record));
  record += event;
  put_fixed(record, masked_crc32c(event));
  file_.append(record);
}

}  // namespace convoy
