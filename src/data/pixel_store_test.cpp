#include "data/pixel_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "core/world_testing.h"
#include "data/image_cache.h"

namespace convoy {
namespace {

using ::testing::Each;

// An image of 8 bytes of size and 21 x 5 x 3 = 315 of pixels takes 6 times 64 bytes.
constexpr size_t kStored = 384;

Image image_of(int64_t sample) {
  Image image(21, 5);
  std::memset(image.row(0), static_cast<int>(sample % 251 + 1), image.bytes());
  return image;
}

bool holds(const PixelStore& store, int64_t sample) {
  const auto found = store.find(sample);
  if (!found) return false;
  EXPECT_EQ(found->width, 21);
  EXPECT_EQ(found->height, 5);
  EXPECT_EQ(std::memcmp(found->pixels, image_of(sample).row(0), 315), 0) << "sample " << sample;
  return true;
}

// Memory that is mapped once, and everybody's who is told its address.
Buffer shared(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return {static_cast<std::byte*>(memory), bytes, [](std::byte* data, size_t size) { munmap(data, size); }};
}
Buffer view_of(const Buffer& buffer) {
  return {buffer.data(), buffer.size(), [](std::byte*, size_t) {}};
}
uint64_t& word(const Buffer& buffer, size_t number) { return reinterpret_cast<uint64_t*>(buffer.data())[number]; }

TEST(PixelStore, KeepsImagesUntilOneDoesNotFit) {
  PixelStore store(10, 2 * kStored);
  EXPECT_FALSE(holds(store, 3));
  store.store(3, image_of(3));
  EXPECT_TRUE(store.accepts());
  store.store(9, image_of(9));
  store.store(0, image_of(0));
  EXPECT_FALSE(store.accepts());
  EXPECT_TRUE(holds(store, 3));
  EXPECT_TRUE(holds(store, 9));
  EXPECT_FALSE(holds(store, 0));
  EXPECT_FALSE(PixelStore(10, 0).accepts());
}

TEST(PixelStore, TheSecondOfASampleTakesNoRoom) {
  PixelStore store(10, 2 * kStored);
  store.store(3, image_of(3));
  for (int i = 0; i < 5; ++i) store.store(3, image_of(4));
  EXPECT_TRUE(holds(store, 3)) << "the first stays";
  store.store(4, image_of(4));
  EXPECT_TRUE(holds(store, 4));
}

TEST(PixelStore, PlacesThatAreNoneAreNotRead) {
  const Buffer memory = shared(PixelStore::bytes_for(4, 2 * kStored));
  PixelStore store(4, view_of(memory));
  store.store(0, image_of(0));
  const uint64_t place = word(memory, 1);
  for (const uint64_t wrong : {uint64_t{1}, uint64_t{8}, place - 64, uint64_t{memory.size()}, memory.size() - 7,
                               memory.size() - 8, memory.size() + 64, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    word(memory, 2) = wrong;
    EXPECT_FALSE(store.find(1)) << wrong;
  }
  for (const auto& [width, height] : std::vector<std::pair<int32_t, int32_t>>{
           {0, 1}, {1, 0}, {-1, 1}, {-1, -1}, {1 << 30, 1 << 30}, {INT32_MAX, INT32_MAX}, {254, 1}, {23, 11}}) {
    const int32_t size[] = {width, height};
    std::memcpy(memory.data() + place, size, sizeof size);
    EXPECT_EQ(store.find(0).has_value(), width == 23) << width << " x " << height;
  }
}

TEST(PixelStore, AProcessThatIsKilledLeavesTheOthersTheirs) {
  constexpr int64_t kSamples = 200'000;
  const Buffer memory = shared(PixelStore::bytes_for(kSamples, kSamples * kStored));
  const pid_t child = fork();
  if (child == 0) {
    PixelStore store(kSamples, view_of(memory));
    for (int64_t sample = 0;; ++sample) store.store(sample % kSamples, image_of(sample % kSamples));
  }
  PixelStore store(kSamples, view_of(memory));
  while (!holds(store, 1000)) std::this_thread::yield();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  int64_t theirs = 0;
  for (int64_t sample = 0; sample < kSamples; ++sample) theirs += holds(store, sample) ? 1 : 0;
  EXPECT_GE(theirs, 1000);
  for (int64_t sample = 0; sample < kSamples - 1; ++sample) {  // there is room for all but one that was lost
    if (!store.find(sample)) store.store(sample, image_of(sample));
    ASSERT_TRUE(holds(store, sample));
  }
}

TEST(PixelStore, RanksOfAHostHaveOneTogether) {
  constexpr int64_t kEach = 30;
  constexpr int kRanks = 3;
  const auto lines = in_world(kRanks, [&](World& world) {
    const PixelStorePtr store = make_pixel_store(kRanks * kEach + 1, kEach * kStored, &world);
    for (int64_t i = 0; i < kEach; ++i) {
      const int64_t sample = i * kRanks + world.rank();
      store->store(sample, image_of(sample));
    }
    world.gather("stored");
    for (int64_t sample = 0; sample < kRanks * kEach; ++sample) {
      EXPECT_TRUE(holds(*store, sample)) << "rank " << world.rank() << ", sample " << sample;
    }
    store->store(kRanks * kEach, image_of(0));
    EXPECT_FALSE(store->accepts()) << "it holds no more than all ranks have given";
    world.gather("looked");
  });
  EXPECT_THAT(lines, Each(""));
}

TEST(PixelStore, ARankThatGivesNothingReadsWhatTheOthersStore) {
  const auto lines = in_world(2, [&](World& world) {
    const PixelStorePtr store = make_pixel_store(1, world.is_first() ? 0 : kStored, &world);
    if (!world.is_first()) store->store(0, image_of(0));
    world.gather("stored");
    EXPECT_TRUE(holds(*store, 0));
  });
  EXPECT_THAT(lines, Each(""));
}

// Counts how often each sample is decoded.
class CountedImages : public Dataset {
 public:
  explicit CountedImages(int64_t size) : decoded_(static_cast<size_t>(size)) {}
  int64_t size() const override { return static_cast<int64_t>(decoded_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t) const override { return 0; }
  std::string name(int64_t index) const override { return std::to_string(index); }
  Image load(int64_t index) const override {
    ++decoded_[static_cast<size_t>(index)];
    return image_of(index);
  }
  int decoded(int64_t index) const { return decoded_[static_cast<size_t>(index)]; }

 private:
  const std::vector<std::string> class_names_{"a"};
  mutable std::vector<std::atomic<int>> decoded_;
};

TEST(PixelStore, RanksReadAndStoreAtOnce) {
  constexpr int64_t kSamples = 500;
  const auto dataset = std::make_shared<CountedImages>(kSamples);
  const auto all = [](int width, int height) { return Rectangle{0, 0, width, height}; };
  const auto lines = in_world(2, [&](World& world) {
    ImageCache cache(dataset, make_pixel_store(kSamples, 4 * kSamples * kStored, &world), nullptr);
    const auto read_all = [&](int64_t begin) {
      Image scratch;
      std::string damage;
      for (int64_t i = 0; i < kSamples; ++i) {
        const int64_t sample = (begin + i) % kSamples;
        const ImageView view = cache.get(sample, all, scratch, damage);
        ASSERT_EQ(std::memcmp(view.pixels, image_of(sample).row(0), 315), 0);
      }
    };
    std::vector<std::jthread> threads;
    for (int64_t thread = 0; thread < 3; ++thread) threads.emplace_back([&, thread] { read_all(100 * thread); });
    threads.clear();
    world.gather("read");
    int before = 0, after = 0;
    for (int64_t sample = 0; sample < kSamples; ++sample) before += dataset->decoded(sample);
    world.gather("counted");
    read_all(0);
    world.gather("read");
    for (int64_t sample = 0; sample < kSamples; ++sample) after += dataset->decoded(sample);
    EXPECT_EQ(after, before) << "all are there now";
  });
  EXPECT_THAT(lines, Each(""));
}

}  // namespace
}  // namespace convoy
