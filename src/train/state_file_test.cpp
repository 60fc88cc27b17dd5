#include "train/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "convoy/error.h"
#include "core/cpu.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StateFilesTest : public testing::Test {
 protected:
  StateFilesTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) / "convoy_state" / test->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    graph_.add_parameter("conv.weight", {3, 3, 2, 4}, Initializer::normal(1), FileLayout::conv);
    graph_.add_state("momentum/conv.weight", {3, 3, 2, 4}, Initializer::constant(0.5F));
    graph_.add_state("scale", {}, Initializer::constant(2));
    variables_.add(graph_, 7);
    identity_.recipe.data = "photos";
    identity_.recipe.model = "resnet18";
    identity_.class_names = {"cat", "dog"};
    identity_.data = 0xFEDCBA9876543210;
  }

  static TrainingPosition position(int64_t batches) {
    TrainingPosition position;
    position.epoch = 2;
    position.step = batches - 10;
    position.batches = batches;
    position.epoch_sums = {.samples = 31, .top1 = 4, .top5 = 5, .loss = 0.1 + 0.2};
    position.best = 1.0 / 3;
    position.best_epoch = 1;
    position.cost = {.wall_seconds = 12.25,
                     .cpu_seconds = 0.1 + 0.2,
                     .train_seconds = 10,
                     .train_images = 4096,
                     .val_seconds = 2,
                     .val_images = 64,
                     .peak_bytes = int64_t{5} << 30};
    return position;
  }

  // Sets every number to `value`.
  void fill(float value) const {
    for (const auto& [name, variable] : variables_.all())
      std::fill_n(variable.floats(), variable.shape.elements(), value);
  }
  float first() const { return variables_.at("conv.weight").floats()[0]; }

  std::optional<TrainingPosition> load(const RunIdentity& identity) {
    warnings_.clear();
    return StateFiles(folder_).load(identity, variables_, [&](const std::string& text) { warnings_.push_back(text); });
  }

  std::string complaint(const RunIdentity& identity) {
    try {
      load(identity);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  void flip_bit(const std::string& name, int64_t from_end) const {
    std::fstream file(folder_ / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-from_end, std::ios::end);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(-from_end, std::ios::end);
    file.put(byte);
  }

  std::filesystem::path folder_;
  Graph graph_{Mode::training};
  Variables variables_;
  RunIdentity identity_;
  std::vector<std::string> warnings_;
};

TEST_F(StateFilesTest, NothingToLoad) {
  EXPECT_FALSE(StateFiles(folder_).exist());
  EXPECT_FALSE(load(identity_).has_value());
}

TEST_F(StateFilesTest, EverythingComesBack) {
  const std::vector<float> weights(variables_.at("conv.weight").floats(), variables_.at("conv.weight").floats() + 72);
  StateFiles(folder_).save(identity_, position(12), variables_);
  fill(-1);
  const auto loaded = load(identity_);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->epoch, 2);
  EXPECT_EQ(loaded->step, 2);
  EXPECT_EQ(loaded->batches, 12);
  EXPECT_EQ(loaded->epoch_sums.samples, 31);
  EXPECT_EQ(loaded->epoch_sums.top1, 4);
  EXPECT_EQ(loaded->epoch_sums.top5, 5);
  EXPECT_EQ(loaded->epoch_sums.loss, 0.1 + 0.2);
  EXPECT_EQ(loaded->best, 1.0 / 3);
  EXPECT_EQ(loaded->best_epoch, 1);
  EXPECT_EQ(loaded->cost.wall_seconds, 12.25);
  EXPECT_EQ(loaded->cost.cpu_seconds, 0.1 + 0.2);
  EXPECT_EQ(loaded->cost.train_seconds, 10);
  EXPECT_EQ(loaded->cost.train_images, 4096);
  EXPECT_EQ(loaded->cost.val_seconds, 2);
  EXPECT_EQ(loaded->cost.val_images, 64);
  EXPECT_EQ(loaded->cost.peak_bytes, int64_t{5} << 30);
  EXPECT_TRUE(std::equal(weights.begin(), weights.end(), variables_.at("conv.weight").floats()));
  EXPECT_EQ(variables_.at("momentum/conv.weight").floats()[71], 0.5F);
  EXPECT_EQ(variables_.at("scale").floats()[0], 2);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(StateFilesTest, VariablesMayBeAnotherBackends) {
  Variables doubles(reference_backend());
  doubles.add(graph_, 7);
  StateFiles(folder_).save(identity_, position(12), doubles);
  fill(-1);
  ASSERT_TRUE(load(identity_).has_value());
  for (const auto& [name, variable] : doubles.all()) EXPECT_EQ(variables_.read(name), doubles.read(name)) << name;

  Variables back(reference_backend());
  back.add(graph_, 8);
  ASSERT_TRUE(StateFiles(folder_).load(identity_, back, [](const std::string&) {}).has_value());
  EXPECT_EQ(back.read("conv.weight"), doubles.read("conv.weight"));
}

TEST_F(StateFilesTest, TheNewestOfTwoGenerationsIsLoaded) {
  StateFiles files(folder_);
  for (int64_t batches = 10; batches < 15; ++batches) {
    fill(static_cast<float>(batches));
    files.save(identity_, position(batches), variables_);
    EXPECT_EQ(load(identity_)->batches, batches);
    EXPECT_EQ(first(), static_cast<float>(batches));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()), 2);
  // A resumed run replaces the older one.
  StateFiles resumed(folder_);
  resumed.load(identity_, variables_, [](const std::string&) {});
  fill(15);
  resumed.save(identity_, position(15), variables_);
  flip_bit("state-b.safetensors", 1);
  EXPECT_EQ(load(identity_)->batches, 14);
}

TEST_F(StateFilesTest, OfAFinishedRunTheNewestIsKept) {
  for (const int64_t last : {11, 12}) {
    StateFiles files(folder_);
    for (int64_t batches = 10; batches <= last; ++batches) files.save(identity_, position(batches), variables_);
    files.keep_newest();
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()), 1);
    EXPECT_EQ(load(identity_)->batches, last);
  }
}

TEST_F(StateFilesTest, ADamagedNewestFallsBackWithAWarning) {
  StateFiles files(folder_);
  fill(1);
  files.save(identity_, position(11), variables_);
  fill(2);
  files.save(identity_, position(12), variables_);
  const auto newest = folder_ / "state-b.safetensors";
  const auto copy = folder_ / "copy";
  std::filesystem::copy_file(newest, copy);
  const auto size = static_cast<int64_t>(std::filesystem::file_size(newest));
  // Damage in the data, in the header and in its length; and a file cut short.
  for (const int64_t from_end : {int64_t{1}, int64_t{300}, size - 200, size}) {
    flip_bit("state-b.safetensors", from_end);
    fill(0);
    const auto loaded = load(identity_);
    ASSERT_TRUE(loaded.has_value()) << from_end;
    EXPECT_EQ(loaded->batches, 11) << from_end;
    EXPECT_EQ(first(), 1) << from_end;
    ASSERT_THAT(warnings_, SizeIs(1)) << from_end;
    EXPECT_THAT(warnings_[0], HasSubstr("state-b.safetensors"));
    std::filesystem::copy_file(copy, newest, std::filesystem::copy_options::overwrite_existing);
  }
  std::filesystem::resize_file(newest, static_cast<uintmax_t>(size) / 2);
  EXPECT_EQ(load(identity_)->batches, 11);
  flip_bit("state-a.safetensors", 1);
  fill(0);
  EXPECT_THAT(complaint(identity_), HasSubstr("no undamaged state"));
  EXPECT_EQ(first(), 0);
}

// What tells the run apart is protected, too: a changed recipe is damage, not another run.
TEST_F(StateFilesTest, ADamagedDescriptionFallsBack) {
  StateFiles files(folder_);
  files.save(identity_, position(11), variables_);
  files.save(identity_, position(12), variables_);
  const auto newest = folder_ / "state-b.safetensors";
  std::ifstream in(newest, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const size_t at = bytes.find("resnet18");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 6] = '3';
  bytes[at + 7] = '4';
  std::ofstream(newest, std::ios::binary) << bytes;
  EXPECT_EQ(load(identity_)->batches, 11);
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], HasSubstr("state-b.safetensors: damaged"));
}

TEST_F(StateFilesTest, OfTheSameStepTheLaterEpochCounts) {
  StateFiles files(folder_);
  TrainingPosition validated = position(12);
  validated.epoch = 3;
  validated.step = 0;
  files.save(identity_, validated, variables_);
  files.save(identity_, position(12), variables_);
  EXPECT_EQ(load(identity_)->epoch, 3);
}

TEST_F(StateFilesTest, AnotherRunIsNotResumed) {
  StateFiles(folder_).save(identity_, position(12), variables_);
  const auto changed = [&](auto change) {
    RunIdentity other = identity_;
    change(other);
    return complaint(other);
  };
  EXPECT_EQ(changed([](RunIdentity& i) {
              i.recipe.threads = 3;
              i.recipe.epochs = 99;
              i.recipe.data = "elsewhere";
            }),
            "");
  EXPECT_THAT(changed([](RunIdentity& i) { i.recipe.lr = 0.5; }), HasSubstr("lr was auto and is now 0.5"));
  EXPECT_THAT(changed([](RunIdentity& i) { i.class_names[1] = "wolf"; }), HasSubstr("classes are no longer"));
  EXPECT_THAT(changed([](RunIdentity& i) { ++i.data; }), HasSubstr("training images"));
}

TEST_F(StateFilesTest, AnotherInstructionSetIsWarnedOf) {
  const Isa here = active_isa();
  set_active_isa(Isa::baseline);
  StateFiles(folder_).save(identity_, position(12), variables_);
  ASSERT_TRUE(load(identity_));
  EXPECT_THAT(warnings_, IsEmpty());
  set_active_isa(here);
  ASSERT_TRUE(load(identity_));
  if (here == Isa::baseline) GTEST_SKIP() << "there is no other here";
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], HasSubstr(" with baseline instructions"));
  EXPECT_THAT(warnings_[0], testing::EndsWith(" the run goes on, but not to the same bits"));
}

}  // namespace
}  // namespace convoy
