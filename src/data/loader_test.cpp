#include "data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>

#include "convoy/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/erase.h"
#include "data/image_folder.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Images of noise that tell which sample they are; some samples cannot be read.
class NoiseDataset : public Dataset {
 public:
  explicit NoiseDataset(int64_t size, std::vector<int64_t> bad = {}) : size_(size), bad_(std::move(bad)) {}
  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override { return static_cast<int>(index % 3); }
  std::string name(int64_t index) const override { return "image " + std::to_string(index); }
  Image load(int64_t index) const override {
    if (std::find(bad_.begin(), bad_.end(), index) != bad_.end()) throw Error(name(index) + ": damaged");
    Image image(20, 16);
    RandomStream random(1, "noise", 0, static_cast<uint64_t>(index));
    for (size_t i = 0; i < image.bytes(); ++i) image.row(0)[i] = static_cast<uint8_t>(random.next_u32());
    return image;
  }

 private:
  int64_t size_;
  std::vector<int64_t> bad_;
  std::vector<std::string> class_names_{"a", "b", "c"};
};

LoaderOptions training_options(int workers) {
  LoaderOptions options;
  options.batch_size = 7;
  options.shuffle = true;
  options.preprocessing.image_size = 12;
  options.augmentation = Augmentation{};
  options.augmentation->crop = TrainCrop::resized;
  options.augmentation->horizontal_flip = 0.5F;
  options.augmentation->rotation = 15;
  options.augmentation->erasing = 0.5F;
  options.augmentation->mixup_alpha = 0.4;
  options.seed = 5;
  options.workers = workers;
  options.batches_ahead = 3;
  return options;
}

struct Copy {
  int64_t epoch, step;
  std::vector<int64_t> indices;
  std::vector<int> labels;
  std::vector<float> images, targets;

  friend bool operator==(const Copy&, const Copy&) = default;
};

Copy copy(const Batch& batch) {
  const auto count = static_cast<size_t>(batch.size);
  return {batch.epoch,
          batch.step,
          {batch.indices.begin(), batch.indices.begin() + batch.size},
          {batch.labels.begin(), batch.labels.begin() + batch.size},
          {batch.images.floats(), batch.images.floats() + count * 12 * 12 * 3},
          {batch.targets.floats(), batch.targets.floats() + count * 3}};
}

std::vector<Copy> take(Loader& loader, int batches) {
  std::vector<Copy> copies;
  for (int i = 0; i < batches; ++i) copies.push_back(copy(loader.next()));
  return copies;
}

// 17 samples: two batches of 7 and one of 3.
void expect_ranks_to_take_their_slices(int64_t slices, int64_t ranks) {
  const auto dataset = std::make_shared<NoiseDataset>(17);
  LoaderOptions options = training_options(1);
  options.slices = slices;
  Loader whole(dataset, options);
  for (int batch = 0; batch < 6; ++batch) {
    const Copy expected = copy(whole.next());
    std::vector<bool> taken(expected.indices.size());
    for (int64_t rank = 0; rank < ranks; ++rank) {
      options.rank = rank;
      options.ranks = ranks;
      options.first_epoch = expected.epoch;
      options.first_step = expected.step;
      Loader part(dataset, options);
      const Batch& got = part.next();
      EXPECT_EQ(got.samples, static_cast<int64_t>(expected.indices.size()));
      const Copy own = copy(got);
      const size_t image = own.images.size() / std::max<size_t>(own.indices.size(), 1);
      const size_t classes = own.targets.size() / std::max<size_t>(own.indices.size(), 1);
      size_t position = 0;
      for (int64_t number = rank; number < slices; number += ranks) {
        const BatchSlice slice = slice_of(got.samples, slices, number);
        for (size_t place = static_cast<size_t>(slice.first); place < static_cast<size_t>(slice.first + slice.size);
             ++place, ++position) {
          ASSERT_LT(position, own.indices.size());
          EXPECT_EQ(own.indices[position], expected.indices[place]);
          EXPECT_EQ(own.labels[position], expected.labels[place]);
          EXPECT_TRUE(std::equal(&own.images[position * image], &own.images[position * image] + image,
                                 &expected.images[place * image]));
          EXPECT_TRUE(std::equal(&own.targets[position * classes], &own.targets[position * classes] + classes,
                                 &expected.targets[place * classes]));
          taken[place] = true;
        }
      }
      EXPECT_EQ(position, own.indices.size());
    }
    EXPECT_THAT(taken, ::testing::Each(true)) << "batch " << batch;
  }
}

TEST(Loader, RanksTakeASliceEach) { expect_ranks_to_take_their_slices(3, 3); }

TEST(Loader, RanksTakeSeveralSlicesInTurn) {
  expect_ranks_to_take_their_slices(4, 2);
  expect_ranks_to_take_their_slices(6, 2);
  expect_ranks_to_take_their_slices(6, 3);
}

// Samples in shards, which counts how often each is read.
class ShardedNoise : public NoiseDataset {
 public:
  explicit ShardedNoise(int64_t size) : NoiseDataset(size), reads_(static_cast<size_t>(size)) {}
  uint32_t shard(int64_t index) const override { return static_cast<uint32_t>(index % 4); }
  Image load(int64_t index) const override {
    ++reads_[static_cast<size_t>(index)];
    return NoiseDataset::load(index);
  }
  std::vector<int> take_reads() const {
    std::vector<int> reads;
    for (std::atomic<int>& count : reads_) reads.push_back(count.exchange(0));
    return reads;
  }

 private:
  mutable std::vector<std::atomic<int>> reads_;
};

TEST(Loader, ASliceReadsItsImagesOnly) {
  const auto dataset = std::make_shared<ShardedNoise>(35);
  LoaderOptions options = training_options(2);
  options.slices = 3;
  options.cache_bytes = 0;
  options.end_epoch = 1;
  std::vector<int> reads(35);
  for (int64_t slice = 0; slice < 3; ++slice) {
    options.rank = slice;
    options.ranks = 3;
    std::set<int64_t> given;
    {
      Loader loader(dataset, options);
      for (int batch = 0; batch < 5; ++batch) {
        const std::vector<int64_t> indices = copy(loader.next()).indices;
        given.insert(indices.begin(), indices.end());
      }
    }
    const std::vector<int> own = dataset->take_reads();
    for (size_t i = 0; i < own.size(); ++i) {
      EXPECT_EQ(own[i], given.contains(static_cast<int64_t>(i)) ? 1 : 0) << "slice " << slice << ", sample " << i;
      reads[i] += own[i];
    }
  }
  EXPECT_THAT(reads, ::testing::Each(1));
}

TEST(Loader, BatchesOfShardsAreTheSameFromAnyStartAndForAnyWorkers) {
  const auto dataset = std::make_shared<ShardedNoise>(35);
  Loader alone(dataset, training_options(0));
  const std::vector<Copy> expected = take(alone, 10);
  Loader together(dataset, training_options(3));
  EXPECT_TRUE(take(together, 10) == expected);
  LoaderOptions options = training_options(2);
  options.first_epoch = 1;
  options.first_step = 2;
  Loader rest(dataset, options);
  EXPECT_TRUE(take(rest, 3) == std::vector<Copy>(expected.begin() + 7, expected.end()));
}

TEST(Loader, GoesOnFromAnyImageOfAnEpoch) {
  const auto dataset = std::make_shared<NoiseDataset>(17);
  LoaderOptions options = training_options(0);
  options.batch_size = 17;
  options.first_epoch = 2;
  Loader whole(dataset, options);
  const std::vector<int64_t> order = copy(whole.next()).indices;
  options.batch_size = 4;
  options.offset = 3;
  options.first_step = 1;
  Loader rest(dataset, options);
  // Of the ten images from the seventh on, two batches.
  for (int64_t batch = 1; batch < 3; ++batch) {
    const auto begin = order.begin() + 3 + 4 * batch;
    EXPECT_THAT(copy(rest.next()).indices, ::testing::ElementsAreArray(begin, begin + 4));
  }
  EXPECT_THROW(rest.next(), InternalError) << "the next epoch has batches of its own";
}

TEST(Loader, GivesTheSameBatchesForAnyNumberOfWorkersAndAnyCache) {
  const auto dataset = std::make_shared<NoiseDataset>(40);
  Loader reference(dataset, training_options(0));
  const std::vector<Copy> expected = take(reference, 20);
  for (const int workers : {1, 2, 5}) {
    for (const size_t cache : {size_t{0}, size_t{20'000}, size_t{1} << 20}) {
      LoaderOptions options = training_options(workers);
      options.cache_bytes = cache;
      Loader loader(dataset, options);
      EXPECT_TRUE(take(loader, 20) == expected) << workers << " workers, cache of " << cache;
    }
  }
}

TEST(Loader, WithoutWorkersTheTeamReadsTheBatchThatIsWantedAndNoOther) {
  const auto dataset = std::make_shared<ShardedNoise>(40);
  LoaderOptions options = training_options(0);
  options.cache_bytes = 0;
  options.end_epoch = 1;
  Loader reference(dataset, training_options(2));
  const std::vector<Copy> expected = take(reference, 6);
  for (const int threads : {1, 3}) {
    const ThreadTeamPtr team = ThreadTeam::make(threads);
    const TeamScope scope(*team);
    Loader loader(dataset, options);
    dataset->take_reads();
    for (const Copy& batch : expected) {
      EXPECT_TRUE(copy(loader.next()) == batch) << threads << " threads, step " << batch.step;
      const std::vector<int> reads = dataset->take_reads();
      for (const int64_t index : batch.indices) EXPECT_EQ(reads[static_cast<size_t>(index)], 1) << batch.step;
      EXPECT_EQ(std::accumulate(reads.begin(), reads.end(), int64_t{0}), std::ssize(batch.indices)) << batch.step;
    }
  }
}

TEST(Loader, StartsAnywhere) {
  const auto dataset = std::make_shared<NoiseDataset>(40);
  Loader whole(dataset, training_options(2));
  const std::vector<Copy> expected = take(whole, 3 * 6);
  LoaderOptions options = training_options(2);
  options.first_epoch = 1;
  options.first_step = 4;
  Loader resumed(dataset, options);
  EXPECT_TRUE(take(resumed, 8) == std::vector<Copy>(expected.begin() + 10, expected.end()));
}

TEST(Loader, EveryEpochHoldsEverySampleOnceInAnotherOrder) {
  Loader loader(std::make_shared<NoiseDataset>(40), training_options(2));
  ASSERT_EQ(loader.steps_per_epoch(), 6);
  std::vector<std::vector<int64_t>> epochs(2);
  for (size_t epoch = 0; epoch < 2; ++epoch) {
    for (int64_t step = 0; step < 6; ++step) {
      const Batch& batch = loader.next();
      EXPECT_EQ(batch.epoch, static_cast<int64_t>(epoch));
      EXPECT_EQ(batch.step, step);
      EXPECT_EQ(batch.size, step < 5 ? 7 : 5);
      epochs[epoch].insert(epochs[epoch].end(), batch.indices.begin(), batch.indices.begin() + batch.size);
    }
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (std::vector<int64_t>& epoch : epochs) {
    std::sort(epoch.begin(), epoch.end());
    for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(epoch[static_cast<size_t>(i)], i);
  }
}

TEST(Loader, EvaluationIsInOrderAndPlainlyPrepared) {
  const auto dataset = std::make_shared<NoiseDataset>(10);
  LoaderOptions options = training_options(2);
  options.shuffle = false;
  options.augmentation.reset();
  Loader loader(dataset, options);
  const Copy batch = copy(loader.next());
  EXPECT_THAT(batch.indices, ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(batch.labels, ElementsAre(0, 1, 2, 0, 1, 2, 0));
  std::vector<float> expected(12 * 12 * 3);
  Normalizer{options.preprocessing}(prepare(dataset->load(4).view(), options.preprocessing), expected.data());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin() + 4 * 12 * 12 * 3));
  EXPECT_THAT(std::vector<float>(batch.targets.begin() + 12, batch.targets.begin() + 15), ElementsAre(0, 1, 0));
  EXPECT_EQ(loader.next().size, 3);
}

TEST(Loader, DropLastLeavesOutTheShortBatch) {
  LoaderOptions options = training_options(1);
  options.drop_last = true;
  Loader loader(std::make_shared<NoiseDataset>(40), options);
  EXPECT_EQ(loader.steps_per_epoch(), 5);
  for (int i = 0; i < 11; ++i) EXPECT_EQ(loader.next().size, 7);
  options.batch_size = 41;
  EXPECT_THROW(Loader(std::make_shared<NoiseDataset>(40), options), Error);
}

TEST(Loader, ABadImageIsAnErrorInTheBatchThatHoldsIt) {
  for (const int workers : {0, 3}) {
    LoaderOptions options = training_options(workers);
    options.shuffle = false;
    Loader loader(std::make_shared<NoiseDataset>(40, std::vector<int64_t>{12, 9, 30}), options);
    EXPECT_EQ(loader.next().size, 7);
    for (int again = 0; again < 2; ++again) {
      try {
        loader.next();
        FAIL();
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "image 9: damaged");
      }
    }
  }
}

TEST(Loader, ABadImageIsReplacedByTheNextOneAndReported) {
  for (const int workers : {0, 3}) {
    LoaderOptions options = training_options(workers);
    options.shuffle = false;
    options.on_bad_image = OnBadImage::skip;
    options.replace_skipped = true;
    Loader loader(std::make_shared<NoiseDataset>(14, std::vector<int64_t>{3, 4, 13}), options);
    EXPECT_THAT(copy(loader.next()).indices, ElementsAre(0, 1, 2, 5, 5, 5, 6));
    EXPECT_THAT(copy(loader.next()).indices, ElementsAre(7, 8, 9, 10, 11, 12, 0));
    EXPECT_THAT(loader.bad_images(), ElementsAre("image 13: damaged", "image 3: damaged", "image 4: damaged"));
  }
}

// All JPEGs and other photos of the tests that are read.
DatasetPtr photos() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "images")) {
    const std::filesystem::path& path = entry.path();
    if (std::filesystem::exists(path.string() + ".ppm")) paths.push_back(path);
  }
  std::ranges::sort(paths);
  std::vector<LabelledFile> files;
  for (const auto& path : paths) files.push_back({path.string(), static_cast<int>(files.size() % 3)});
  return make_image_files(make_folder_tree({}), {"a", "b", "c"}, files);
}

TEST(Loader, CachesAndThePartsThatCropsNeedChangeNoBit) {
  const DatasetPtr dataset = photos();
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "loader_cache";
  for (const TrainCrop crop : {TrainCrop::resized, TrainCrop::none, TrainCrop::padded}) {
    LoaderOptions options = training_options(2);
    options.augmentation->crop = crop;
    options.augmentation->mixup_alpha = 0;
    options.cache_bytes = 0;
    const auto last = static_cast<int>(2 * ((dataset->size() + 6) / 7));
    for (const bool only_flips : {true, false}) {
      options.augmentation->rotation = only_flips ? 0 : 15;
      // The images as a whole, step by step.
      const Augmenter augmenter(options.preprocessing, *options.augmentation);
      const Normalizer normalizer(options.preprocessing);
      Loader plain(dataset, options);
      const std::vector<Copy> expected = take(plain, last);
      for (const Copy& batch : expected) {
        for (size_t i = 0; i < batch.indices.size(); ++i) {
          const SampleKey key{options.seed, static_cast<uint64_t>(batch.epoch),
                              static_cast<uint64_t>(batch.indices[i])};
          std::vector<float> floats(12 * 12 * 3);
          normalizer(augmenter.pixels(dataset->load(batch.indices[i]).view(), key), floats.data());
          erase_values(floats.data(), 12, *options.augmentation, key.stream("erase"));
          ASSERT_TRUE(std::equal(floats.begin(), floats.end(), batch.images.begin() + static_cast<ptrdiff_t>(i) * 432))
              << dataset->name(batch.indices[i]);
        }
      }
      std::filesystem::remove_all(folder);
      for (int time = 0; time < 2; ++time) {
        options.disk_cache = std::make_shared<DiskCache>(folder, uint64_t{1} << 30);
        Loader on_disk(dataset, options);
        EXPECT_TRUE(take(on_disk, last) == expected) << "on disk, time " << time;
      }
      options.disk_cache = nullptr;
      for (const size_t bytes : {size_t{20000}, size_t{1} << 30}) {
        options.cache_bytes = bytes;
        Loader in_memory(dataset, options);
        EXPECT_TRUE(take(in_memory, last) == expected) << bytes << " bytes of memory";
      }
      options.cache_bytes = 0;
    }
  }
}

// Files of which the middle one is damaged, but readable.
DatasetPtr with_damage() {
  std::vector<LabelledFile> files;
  for (const char* name : {"rgb_444.jpg", "damaged_jpeg_early_end_baseline.jpg", "source.png"}) {
    files.push_back({(testing::data_folder() / "images" / name).string(), 0});
  }
  return make_image_files(make_folder_tree({}), {"a"}, files);
}

TEST(Loader, DamageThatLeavesAnImageReadableIsNoted) {
  LoaderOptions options;
  options.preprocessing.image_size = 16;
  Loader loader(with_damage(), options);
  EXPECT_EQ(loader.next().size, 3);
  EXPECT_EQ(loader.next().size, 3);  // out of the cache
  EXPECT_THAT(loader.bad_images(), ::testing::IsEmpty());
  EXPECT_THAT(loader.damaged_images(), ElementsAre(HasSubstr("early_end_baseline.jpg: damaged JPEG: ")));
  EXPECT_THAT(describe_damaged(loader.damaged_images()),
              ::testing::StartsWith("1 damaged image was read all the same: "));
  EXPECT_EQ(describe_damaged({"a", "b", "c", "d", "e"}),
            "5 damaged images were read all the same: a; b; c; and 2 more, which `convoy data check` lists");
}

TEST(Loader, DamageIsAnErrorToAStrictOne) {
  LoaderOptions options;
  options.preprocessing.image_size = 16;
  options.on_bad_image = OnBadImage::strict;
  Loader loader(with_damage(), options);
  try {
    loader.next();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("early_end_baseline.jpg: damaged JPEG: "));
  }
}

TEST(Loader, EvaluationLeavesBadImagesOut) {
  LoaderOptions options = training_options(2);
  options.shuffle = false;
  options.augmentation.reset();
  options.on_bad_image = OnBadImage::skip;
  options.end_epoch = 1;
  const auto bad = std::make_shared<NoiseDataset>(14, std::vector<int64_t>{0, 3, 6, 7, 8, 9, 10, 11, 12, 13});
  Loader loader(bad, options);
  Loader all(std::make_shared<NoiseDataset>(14), options);
  const Copy batch = copy(loader.next()), whole = copy(all.next());
  EXPECT_THAT(batch.indices, ElementsAre(1, 2, 4, 5));
  EXPECT_TRUE(std::equal(batch.images.end() - 432, batch.images.end(), whole.images.begin() + 5 * 432));
  EXPECT_EQ(loader.next().size, 0);
  EXPECT_THROW(loader.next(), Error);
}

TEST(Loader, SaysWhenNoImageCanBeRead) {
  LoaderOptions options = training_options(2);
  options.on_bad_image = OnBadImage::skip;
  options.replace_skipped = true;
  Loader loader(std::make_shared<NoiseDataset>(3, std::vector<int64_t>{0, 1, 2}), options);
  try {
    loader.next();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("none of the 3 images can be read, for example image 0: damaged"));
  }
}

TEST(Loader, StopsAtAnyMoment) {
  const auto dataset = std::make_shared<NoiseDataset>(100);
  for (int i = 0; i < 30; ++i) {
    Loader loader(dataset, training_options(3));
    for (int step = 0; step < i % 4; ++step) loader.next();
    std::this_thread::sleep_for(std::chrono::microseconds(37 * i));
  }
}

TEST(Loader, RefusesOptionsOutOfRange) {
  const auto refuses = [](auto change) {
    LoaderOptions options = training_options(0);
    change(options);
    EXPECT_THROW(Loader(std::make_shared<NoiseDataset>(40), options), Error);
  };
  refuses([](LoaderOptions& options) { options.batch_size = 0; });
  refuses([](LoaderOptions& options) { options.preprocessing.image_size = 0; });
  refuses([](LoaderOptions& options) { options.preprocessing.std[1] = 0; });
  refuses([](LoaderOptions& options) { options.augmentation->crop_scale = {0.5, 0.2}; });
  EXPECT_THROW(Loader(std::make_shared<NoiseDataset>(0), training_options(0)), Error);
}

}  // namespace
}  // namespace convoy
