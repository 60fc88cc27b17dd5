// Reads event files back with a reader of its own: CRC-32C bit by bit, fields by their wire format.
#include "report/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace convoy {
namespace {

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool one = ((crc ^ (static_cast<unsigned char>(byte) >> bit)) & 1) != 0;
      crc = (crc >> 1) ^ (one ? 0x82F63B78 : 0);
    }
  }
  return ~crc;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool done() const { return bytes_.empty(); }
  std::string_view take(size_t count) {
    if (count > bytes_.size()) throw std::runtime_error("cut short");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  template <class T>
  T fixed() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
  }
  // A checked TFRecord.
  std::string_view record() {
    const std::string_view header = take(8);
    EXPECT_EQ(unmask(fixed<uint32_t>()), crc32c(header));
    const std::string_view data = take(Reader(header).fixed<uint64_t>());
    EXPECT_EQ(unmask(fixed<uint32_t>()), crc32c(data));
    return data;
  }

 private:
  static uint32_t unmask(uint32_t masked) {
    const uint32_t rotated = masked - 0xA282EAD8;
    return (rotated >> 17) | (rotated << 15);
  }

  std::string_view bytes_;
};

struct Event {
  double wall_time = 0;
  uint64_t step = 0;
  std::string version;
  std::string session_log;
  std::vector<Scalar> scalars;
};

Scalar parse_value(std::string_view bytes) {
  Scalar scalar;
  for (Reader reader(bytes); !reader.done();) {
    const uint64_t key = reader.varint();
    if (key == (1 << 3 | 2)) {
      scalar.tag = reader.take(reader.varint());
    } else if (key == (2 << 3 | 5)) {
      scalar.value = reader.fixed<float>();
    } else {
      throw std::runtime_error("unexpected field of a value");
    }
  }
  return scalar;
}

Event parse_event(std::string_view bytes) {
  Event event;
  for (Reader reader(bytes); !reader.done();) {
    switch (reader.varint()) {
      case 1 << 3 | 1: event.wall_time = reader.fixed<double>(); break;
      case 2 << 3 | 0: event.step = reader.varint(); break;
      case 3 << 3 | 2: event.version = reader.take(reader.varint()); break;
      case 7 << 3 | 2: event.session_log = reader.take(reader.varint()); break;
      case 5 << 3 | 2: {
        Reader summary(reader.take(reader.varint()));
        while (!summary.done()) {
          EXPECT_EQ(summary.varint(), 1 << 3 | 2);
          event.scalars.push_back(parse_value(summary.take(summary.varint())));
        }
        break;
      }
      default: throw std::runtime_error("unexpected field of an event");
    }
  }
  return event;
}

class Folder {
 public:
  explicit Folder(const std::string& name) : path_(std::filesystem::path(testing::TempDir()) / name) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::vector<Event> events() const {
    std::vector<Event> events;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      EXPECT_NE(entry.path().filename().string().find("tfevents"), std::string::npos);
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      for (Reader reader(bytes); !reader.done();) events.push_back(parse_event(reader.record()));
    }
    return events;
  }

 private:
  std::filesystem::path path_;
};

TEST(EventWriter, WritesWhatAReaderOfTheFormatReads) {
  const Folder folder("convoy_events");
  EventWriter writer(folder.path());
  const int64_t late = int64_t{1} << 40;
  writer.append(1, std::vector<Scalar>{{"train/loss", 2.5F}, {"train/accuracy", -0.125F}});
  writer.append(late, std::vector<Scalar>{{"train/loss", std::numeric_limits<float>::infinity()}});

  const std::vector<Event> events = folder.events();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_GT(events[0].wall_time, 1.6e9);
  EXPECT_EQ(events[1].step, 1U);
  ASSERT_EQ(events[1].scalars.size(), 2U);
  EXPECT_EQ(events[1].scalars[0].tag, "train/loss");
  EXPECT_EQ(events[1].scalars[0].value, 2.5F);
  EXPECT_EQ(events[1].scalars[1].tag, "train/accuracy");
  EXPECT_EQ(events[1].scalars[1].value, -0.125F);
  EXPECT_EQ(events[2].step, static_cast<uint64_t>(late));
  EXPECT_EQ(events[2].scalars.at(0).value, std::numeric_limits<float>::infinity());
}

TEST(EventWriter, AResumedRunMarksWhereItStarts) {
  const Folder folder("convoy_events_resumed");
  const EventWriter writer(folder.path(), 300);
  const std::vector<Event> events = folder.events();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].step, 300U);
  EXPECT_EQ(events[1].session_log, std::string("\x08\x01"));
}

TEST(EventWriter, TwoWritersNeverShareAFile) {
  const Folder folder("convoy_events_twice");
  const EventWriter first(folder.path());
  const EventWriter second(folder.path());
  EXPECT_EQ(folder.events().size(), 2U);
}

}  // namespace
}  // namespace convoy
