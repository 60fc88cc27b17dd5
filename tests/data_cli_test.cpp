// Dividing, checking, drawing and measuring images as a user does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "data/image.h"
#include "tests/support/load_image.h"
#include "tests/support/photos.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A folder with `photos`: ten cats and ten dogs of CIFAR-10, cats with a space in their names; commands run in it.
class DataCli : public testing::Test {
 protected:
  DataCli() {
    make_photos(folder_.path());
    for (const fs::path& cat : files("photos/cat")) {
      fs::rename(cat, cat.parent_path() / ("a " + cat.filename().string()));
    }
    options_.folder = folder_.path();
  }

  Finished data(std::vector<std::string> words) {
    words.insert(words.begin(), "data");
    return run_convoy(words, options_);
  }

  std::vector<fs::path> files(const std::string& folder) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / folder)) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  }
  std::set<std::string> names(const std::string& folder) const {
    std::set<std::string> names;
    for (const fs::path& file : files(folder)) names.insert(file.filename().string());
    return names;
  }

  static void expect_refused(const Finished& finished, int code, const std::string& start) {
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_THAT(finished.err, StartsWith(start));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }

  TemporaryFolder folder_;
  ProcessOptions options_;
};

TEST_F(DataCli, EveryFifthImageGoesToValidation) {
  const Finished split = data({"split", "photos", "parts", "--every", "5"});
  ASSERT_EQ(split.code, 0) << split.err;
  EXPECT_THAT(split.out, HasSubstr("parts: 16 images to train and 4 to validate\n"));
  const std::vector<fs::path> cats = files("photos/cat");
  EXPECT_THAT(names("parts/val/cat"), ElementsAre(cats[0].filename().string(), cats[5].filename().string()));
  EXPECT_EQ(names("parts/train/cat").size(), 8U);
  EXPECT_EQ(read_file(cats[5]), read_file(folder_ / ("parts/val/cat/" + cats[5].filename().string())));
  EXPECT_FALSE(fs::exists(folder_ / "parts.tmp"));
  expect_refused(data({"split", "photos", "parts", "--every", "5"}), 1, "convoy data split: parts: is there already");
  expect_refused(data({"split", "parts", "again", "--every", "5"}), 1,
                 "convoy data split: parts: has validation images");
}

TEST_F(DataCli, AShareOfEveryClassGoesToValidationAlsoFromAnArchive) {
  ASSERT_EQ(data({"split", "photos", "one", "--fraction", "0.3", "--seed", "7"}).code, 0);
  EXPECT_EQ(names("one/val/cat").size(), 3U);
  EXPECT_EQ(names("one/val/dog").size(), 3U);
  ASSERT_EQ(std::system(("tar -cf " + (folder_ / "photos.tar") + " -C " + folder_.path().string() + " photos").c_str()),
            0);
  ASSERT_EQ(data({"split", "photos.tar", "two", "--fraction", "0.3", "--seed", "7"}).code, 0);
  EXPECT_EQ(names("one/val/cat"), names("two/val/cat"));
  EXPECT_EQ(names("one/train/dog"), names("two/train/dog"));
  ASSERT_EQ(data({"split", "photos", "other", "--fraction", "0.3", "--seed", "8"}).code, 0);
  EXPECT_NE(names("one/val/cat"), names("other/val/cat"));
  expect_refused(data({"split", "photos.tar", "links", "--link"}), 2, "convoy data split: link: ");
}

TEST_F(DataCli, LinksShareTheFiles) {
  ASSERT_EQ(data({"split", "photos", "parts", "--every", "5", "--link"}).code, 0);
  const std::vector<fs::path> dogs = files("photos/dog");
  EXPECT_TRUE(fs::equivalent(dogs[0], folder_ / ("parts/val/dog/" + dogs[0].filename().string())));
}

TEST_F(DataCli, SpacesStayInNamesUnlessTheyAreToBeReplaced) {
  const std::vector<fs::path> cats = files("photos/cat");
  fs::copy_file(cats[3], cats[3].parent_path() / "my photo.jpg");
  fs::copy_file(cats[4], cats[3].parent_path() / "my_photo.jpg");
  ASSERT_EQ(data({"split", "photos", "kept", "--every", "4"}).code, 0);
  std::set<std::string> kept = names("kept/train/cat");
  kept.merge(names("kept/val/cat"));
  EXPECT_EQ(kept, names("photos/cat"));
  const Finished split = data({"split", "photos", "parts", "--every", "4", "--replace-spaces"});
  ASSERT_EQ(split.code, 0) << split.err;
  EXPECT_THAT(split.out, HasSubstr("note: names that became one were given numbers (1), such as cat/my_photo_2.jpg\n"));
  std::set<std::string> replaced = names("parts/train/cat");
  replaced.merge(names("parts/val/cat"));
  EXPECT_EQ(replaced.size(), 12U);
  EXPECT_TRUE(std::ranges::none_of(replaced, [](const auto& name) { return name.find(' ') != std::string::npos; }));
  // Both are behind the ten cats: numbers 10 and 11.
  EXPECT_EQ(read_file(folder_ / "parts/train/cat/my_photo.jpg"), read_file(cats[4]));
  EXPECT_EQ(read_file(folder_ / "parts/train/cat/my_photo_2.jpg"), read_file(cats[3]));
}

TEST_F(DataCli, NothingIsOverwrittenOrLeftBehind) {
  fs::create_directories(folder_ / "photos/empty");
  expect_refused(data({"split", "photos", "parts"}), 1, "convoy data split: photos/empty: the class folder has no");
  EXPECT_FALSE(fs::exists(folder_ / "parts"));
  EXPECT_FALSE(fs::exists(folder_ / "parts.tmp"));
  fs::remove(folder_ / "photos/empty");
  expect_refused(data({"split", "photos", "parts", "--every", "1"}), 2, "convoy data split: --every: ");
  expect_refused(data({"split", "photos", "parts", "--every", "5", "--fraction", "0.1"}), 2, "convoy data split: ");
  expect_refused(data({"split", "photos", "parts", "--fraction", "1.5"}), 2, "convoy data split: fraction: ");
}

TEST_F(DataCli, WhatIsNotReadIsSaid) {
  std::ofstream(folder_ / "photos/cat/notes.txt") << "text";
  std::ofstream(folder_ / "photos/README") << "text";
  fs::create_symlink("gone.jpg", folder_ / "photos/dog/link.jpg");
  fs::copy_file(files("photos/dog")[0], folder_ / "photos/loose.jpg");
  fs::create_directories(folder_ / "photos/cat/@eaDir");
  fs::copy_file(files("photos/dog")[0], folder_ / "photos/cat/@eaDir/thumb.jpg");
  const std::vector<std::string> said{
      "warning: images outside of the class folders are left out (1): photos/loose.jpg\n",
      "warning: links to nothing that can be read are left out (1): photos/dog/link.jpg\n",
      "note: files that are no images are left out (1 without extension, 1 .txt), such as photos/README\n"};
  const Finished checked = data({"check", "photos"}), split = data({"split", "photos", "parts"});
  for (const std::string& line : said) {
    EXPECT_THAT(checked.out, HasSubstr(line));
    EXPECT_THAT(split.out, HasSubstr(line));
    EXPECT_THAT(data({"stats", "photos"}).out, HasSubstr(line));
  }
  EXPECT_THAT(checked.out, HasSubstr("20 images in 2 classes; errors: 0, "));
  EXPECT_EQ(split.code, 0);
}

TEST_F(DataCli, CheckGoesOnBeyondBadFoldersAndSaysThatOneClassIsFew) {
  fs::create_directories(folder_ / "photos/owl");
  const Finished checked = data({"check", "photos"});
  EXPECT_EQ(checked.code, 1);
  EXPECT_THAT(checked.out, StartsWith("error: photos/owl: the class folder has no images\n"));
  EXPECT_THAT(checked.out, HasSubstr("20 images in 2 classes"));
  fs::remove(folder_ / "photos/owl");
  fs::remove_all(folder_ / "photos/dog");
  const Finished alone = data({"check", "photos"});
  EXPECT_EQ(alone.code, 0);
  EXPECT_THAT(alone.out, HasSubstr("warning: photos: has one class only, cat; "));
}

TEST_F(DataCli, CtrlCLeavesNothingBehind) {
  for (int copy = 0; copy < 400; ++copy) {
    for (const fs::path& dog : files("photos/dog")) {
      if (dog.filename().string().starts_with("copy")) continue;
      fs::copy_file(dog, dog.parent_path() / ("copy" + std::to_string(copy) + dog.filename().string()));
    }
  }
  Process split({"data", "split", "photos", "parts"}, options_);
  while (!fs::exists(folder_ / "parts.tmp/train/dog") && !fs::exists(folder_ / "parts")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  split.send(SIGINT);
  const Finished finished = split.wait();
  EXPECT_FALSE(fs::exists(folder_ / "parts.tmp"));
  if (finished.code == 130) {
    EXPECT_FALSE(fs::exists(folder_ / "parts"));
  } else {
    EXPECT_EQ(finished.code, 0);  // it was faster than the signal
  }
}

TEST_F(DataCli, CheckFindsWhatIsWrong) {
  ASSERT_EQ(data({"check", "photos"}).code, 0);
  ASSERT_EQ(data({"split", "photos", "parts", "--every", "5"}).code, 0);
  EXPECT_THAT(data({"check", "parts"}).out, HasSubstr("20 images in 2 classes; errors: 0, warnings: 2, notes: 0"));
  const fs::path images = fs::path(CONVOY_SOURCE_DIR) / "tests/data/images", train = folder_.path() / "parts/train";
  fs::copy_file(files("parts/train/dog")[0], folder_ / "parts/val/dog/again.jpg");
  fs::copy_file(files("parts/train/dog")[1], folder_ / "parts/train/dog/twice.jpg");
  fs::copy_file(files("parts/train/dog")[2], folder_ / "parts/train/cat/which.jpg");
  fs::copy_file(images / "truncated.jpg", train / "cat/broken.jpg");
  fs::copy_file(images / "gray.jpg", train / "cat/gray.jpg");
  fs::copy_file(images / "cmyk.jpg", train / "cat/cmyk.jpg");
  fs::copy_file(images / "exif_6.jpg", train / "cat/turned.jpg");
  fs::copy_file(images / "source.png", train / "cat/named_wrongly.jpg");
  fs::copy_file(images / "interlaced.png", train / "cat/same_pixels.png");
  fs::create_directories(folder_ / "parts/val/owl");
  fs::copy_file(images / "rgb_444.jpg", folder_ / "parts/val/owl/1.jpg");
  const Finished checked = data({"check", "parts", "--json"});
  EXPECT_EQ(checked.code, 1);
  std::multiset<std::string> kinds;
  const json report = json::parse(checked.out);
  for (const json& problem : report["problems"]) {
    kinds.insert(problem["severity"].get<std::string>() + " " + problem["kind"].get<std::string>());
  }
  const std::multiset<std::string> expected{"error class-only-in-validation",
                                            "error damaged",
                                            "error duplicate-across-classes",
                                            "error duplicate-across-split",
                                            "warning duplicate",
                                            "warning duplicate",
                                            "warning mislabelled-type",
                                            "warning tiny",
                                            "note grayscale",
                                            "note cmyk",
                                            "note exif-rotated"};
  for (const std::string& kind : std::set<std::string>(expected.begin(), expected.end())) {
    EXPECT_EQ(kinds.count(kind), expected.count(kind)) << kind << "\n" << checked.out;
  }
  EXPECT_EQ(report["errors"], 4);
  const Finished text = data({"check", "parts"});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out, StartsWith("error: "));
  EXPECT_THAT(text.out, HasSubstr("parts/train/cat/broken.jpg: damaged JPEG"));
  expect_refused(data({"check", "absent"}), 1, "convoy data check: absent: no such folder or archive");
}

TEST_F(DataCli, NamesFromStrangersAreHarmlessToATerminal) {
  fs::rename(folder_ / "photos/cat", folder_ / "photos/c\x1B[2Ja\nt");
  std::ofstream(folder_ / "photos/dog/x\n\x1B]0;y.jpg") << "none";
  const auto is_raw = [](unsigned char c) { return c != '\n' && (c < 0x20 || c == 0x7F); };
  for (const char* command : {"check", "stats"}) {
    const Finished finished = data({command, "photos"});
    EXPECT_EQ(finished.code, 1);
    const std::string text = finished.out + finished.err;
    EXPECT_THAT(text, HasSubstr("photos/dog/x??]0;y.jpg: not a"));
    EXPECT_TRUE(std::ranges::none_of(text, is_raw)) << text;
  }
  fs::remove(folder_ / "photos/dog/x\n\x1B]0;y.jpg");
  EXPECT_THAT(data({"stats", "photos"}).out, HasSubstr("\nc?[2Ja?t "));
}

TEST_F(DataCli, PreviewDrawsWideImagesAndLeavesOutUnreadableOnes) {
  fs::remove_all(folder_ / "photos");
  fs::create_directories(folder_ / "photos/wide");
  fs::create_directories(folder_ / "photos/bad");
  // Wider than cairo's 32767 pixels; red.
  std::ofstream wide(folder_ / "photos/wide/panorama.png", std::ios::binary);
  wide << "P6 33000 330 255\n";
  for (int i = 0; i < 33000 * 330; ++i) wide.write("\xFF\x00\x00", 3);
  wide.close();
  std::ofstream(folder_ / "photos/bad/text.png") << "not a picture";
  const Finished drawn = data({"preview", "photos", "--output", "x.png"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_THAT(drawn.out, HasSubstr("left out: photos/bad/text.png: not a JPEG"));
  const Image picture = load_image(folder_ / "x.png");
  int red = 0;
  for (int y = 0; y < picture.height(); ++y) {
    for (int x = 0; x < picture.width(); ++x) {
      const uint8_t* pixel = picture.row(y) + 3 * x;
      red += pixel[0] > 250 && pixel[1] < 5 && pixel[2] < 5 ? 1 : 0;
    }
  }
  EXPECT_NEAR(red, 200 * 2, 200);  // a cell of 200 pixels, a hundredth as high; its border may be blended
}

TEST_F(DataCli, PreviewDrawsAGridAlsoOfAugmentedImages) {
  ASSERT_EQ(data({"preview", "photos", "--output", "plain.png"}).code, 0);
  const Image plain = load_image(folder_ / "plain.png");
  EXPECT_EQ(plain.width(), 880);
  EXPECT_EQ(plain.height(), 976);
  const std::vector<std::string> flags{"--augmented",          "--img-size", "32", "--aa",
                                       "rand-m9-mstd0.5-inc1", "--mixup",    "0.8"};
  for (const std::string file : {"one.png", "two.png"}) {
    std::vector<std::string> words{"preview", "photos", "--output", file};
    words.insert(words.end(), flags.begin(), flags.end());
    const Finished drawn = data(words);
    ASSERT_EQ(drawn.code, 0) << drawn.err;
  }
  EXPECT_EQ(read_file(folder_ / "one.png"), read_file(folder_ / "two.png"));
  EXPECT_NE(read_file(folder_ / "one.png"), read_file(folder_ / "plain.png"));
  std::vector<std::string> implied{"preview", "photos", "--output", "three.png"};
  implied.insert(implied.end(), flags.begin() + 1, flags.end());
  ASSERT_EQ(data(implied).code, 0);
  EXPECT_EQ(read_file(folder_ / "three.png"), read_file(folder_ / "one.png"));
  expect_refused(data({"preview", "photos", "--output", "x.png", "--augmented", "--aa", "rnad"}), 2,
                 "convoy data preview: aa: unknown policy 'rnad' (did you mean 'rand'?)");
  expect_refused(data({"preview", "photos", "--output", "x.png", "--val"}), 1, "convoy data preview: photos: has no");
}

// Two images of different sizes, so that a mean over images is not one over pixels.
TEST_F(DataCli, StatsAreThoseOfThePixels) {
  const auto copy = [&](const std::string& image, const std::string& path) {
    fs::create_directories(fs::path(folder_ / path).parent_path());
    fs::copy_file(fs::path(CONVOY_SOURCE_DIR) / "tests/data/images" / image, folder_ / path);
  };
  copy("source.png", "set/a/1.png");
  copy("exif_1.jpg", "set/b/1.jpg");
  const Finished measured = data({"stats", "set", "--json"});
  ASSERT_EQ(measured.code, 0) << measured.err;
  const json stats = json::parse(measured.out);
  std::array<double, 3> mean{}, squares{};
  for (const char* file : {"set/a/1.png", "set/b/1.jpg"}) {
    const Image image = load_image(folder_ / file);
    const double count = 2.0 * image.width() * image.height();
    for (size_t i = 0; i < image.bytes(); ++i) {
      const double value = image.row(0)[i] / 255.0;
      mean[i % 3] += value / count;
      squares[i % 3] += value * value / count;
    }
  }
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(stats["mean"][c], mean[c], 1e-9);
    EXPECT_NEAR(stats["std"][c], std::sqrt(squares[c] - mean[c] * mean[c]), 1e-9);
  }
  EXPECT_EQ(stats["sizes"][0], (json{{"width", 21}, {"height", 13}, {"images", 1}}));
  EXPECT_EQ(stats["sizes"][1], (json{{"width", 37}, {"height", 29}, {"images", 1}}));
  EXPECT_THAT(data({"stats", "set"}).out, HasSubstr("\nmean = ["));
}

TEST_F(DataCli, TellsOfItsCommands) {
  EXPECT_THAT(data({"--help"}).out, HasSubstr("preview"));
  const Finished help = data({"split", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("Usage: convoy data split "));
  EXPECT_THAT(help.out, HasSubstr("--every"));
  expect_refused(data({}), 2, "convoy data: ");
  expect_refused(data({"splti"}), 2, "convoy data: unknown command 'splti' (did you mean 'split'?)");
  expect_refused(data({"split", "--evry", "5"}), 2,
                 "convoy data split: unknown flag '--evry' (did you mean '--every'?)");
}

}  // namespace
}  // namespace convoy
