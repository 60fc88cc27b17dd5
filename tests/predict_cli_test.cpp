// Classifying images as a user does: what is missing does not stop the rest, and results come as they are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "formats/csv_table.h"
#include "tests/support/load_image.h"
#include "tests/support/process.h"
#include "tests/support/train_cli.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class PredictCli : public TrainCli {
 protected:
  PredictCli() {
    EXPECT_EQ(train({}).code, 0);
    cat_ = first_image("cat").string();
    dog_ = first_image("dog").string();
  }

  Finished predict(std::vector<std::string> words) {
    words.insert(words.begin(), {"predict", "--checkpoint", "runs/run"});
    return run_convoy(words, options_);
  }

  static std::vector<json> objects_of(const std::string& lines) {
    std::vector<json> objects;
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) objects.push_back(json::parse(line));
    return objects;
  }

  // What is known of one image by itself.
  json classes_of(const std::string& image) { return objects_of(predict({image, "--json"}).out).at(0)["classes"]; }

  std::string cat_, dog_;
};

TEST_F(PredictCli, WhatIsMissingDoesNotStopTheRest) {
  fs::create_symlink("nowhere.jpg", folder_ / "002b.jpg");
  const Finished finished = predict({cat_, "nope.jpg", "002b.jpg", dog_});
  EXPECT_EQ(finished.code, 1);
  EXPECT_EQ(finished.err,
            "convoy predict: nope.jpg: no such file or folder\n"
            "convoy predict: 002b.jpg: is a link to nothing\n");
  EXPECT_THAT(finished.out, StartsWith(cat_ + ":  "));
  EXPECT_THAT(finished.out, HasSubstr("\n" + dog_ + ":  "));
  EXPECT_EQ(std::ranges::count(finished.out, '\n'), 2);
  const Finished alone = predict({"nope.jpg"});
  EXPECT_EQ(alone.code, 1);
  EXPECT_EQ(alone.err, "convoy predict: nope.jpg: no such file or folder\n");
}

TEST_F(PredictCli, JsonIsAnObjectOnALineForEachImage) {
  const Finished finished = predict({cat_, "nope.jpg", dog_, "--json", "--batch-size", "1"});
  EXPECT_EQ(finished.code, 1);
  const std::vector<json> objects = objects_of(finished.out);
  ASSERT_EQ(objects.size(), 3U);
  EXPECT_EQ(objects[0]["image"], cat_);
  EXPECT_EQ(objects[1], (json{{"image", "nope.jpg"}, {"error", "nope.jpg: no such file or folder"}}));
  EXPECT_EQ(objects[2]["classes"], classes_of(dog_));
}

TEST_F(PredictCli, DamageThatLeavesAnImageReadableIsTold) {
  const fs::path damaged = fs::path(CONVOY_SOURCE_DIR) / "tests/data/images/damaged_png_no_iend.png";
  fs::create_directory(folder_ / "new");
  fs::copy_file(damaged, folder_ / "new/no_end.png");
  fs::create_symlink("nowhere", folder_ / "new/dangling.jpg");
  const Finished finished = predict({"new", "--json"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_THAT(finished.err, HasSubstr("convoy predict: warning: new/no_end.png: damaged PNG: "));
  EXPECT_THAT(finished.err, HasSubstr("convoy predict: new/dangling.jpg: is a link to nothing\n"));
  const std::vector<json> objects = objects_of(finished.out);
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(objects[0]["error"], "new/dangling.jpg: is a link to nothing");
  EXPECT_THAT(objects[1]["damage"], StartsWith("new/no_end.png: damaged PNG: "));
  EXPECT_EQ(objects[1]["classes"].size(), 2U);
}

// A run that is stopped has told what it knew: the first line comes long before the last image.
TEST_F(PredictCli, ResultsComeAsTheyAreKnown) {
  std::vector<std::string> images(4000, cat_);
  images.insert(images.begin(), {"predict", "--checkpoint", "runs/run", "--json", "--batch-size", "4"});
  options_.out = folder_ / "lines";
  Process process(images, options_);
  while (text_of(options_.out).find('\n') == std::string::npos) std::this_thread::yield();
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().code, 130);
  const std::string lines = text_of(options_.out);
  EXPECT_TRUE(lines.ends_with('\n'));
  const size_t count = objects_of(lines).size();
  EXPECT_GE(count, 1U);
  EXPECT_LT(count, 4000U);
}

// It ends before the image that is missing; with a table to write, it goes on.
TEST_F(PredictCli, AReaderThatGoesAwayEndsTheWork) {
  std::string images;
  for (int i = 0; i < 400; ++i) images += " photos/cat/" + fs::path(cat_).filename().string();
  const auto run = [&](const std::string& more) {
    const std::string command = "cd " + folder_.path().string() +
                                " && { " CONVOY_BINARY " predict --checkpoint runs/run --batch-size 4" + more + images +
                                " nope.jpg; echo $? > code; } 2> err | head -n 1 > out";
    EXPECT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(lines_in(folder_ / "out"), 1);
  };
  run("");
  EXPECT_EQ(text_of(folder_ / "code"), "0\n");
  EXPECT_EQ(text_of(folder_ / "err"), "");
  run(" --csv table.csv");
  EXPECT_EQ(text_of(folder_ / "code"), "1\n");
  EXPECT_EQ(text_of(folder_ / "err"), "convoy predict: nope.jpg: no such file or folder\n");
  EXPECT_EQ(lines_in(folder_ / "table.csv"), 1 + 401);
}

TEST_F(PredictCli, CsvHasARowForEachImage) {
  fs::copy_file(folder_ / dog_, folder_ / "a, b.png");
  const Finished finished = predict({cat_, "nope.jpg", "a, b.png", "--csv", "table.csv"});
  EXPECT_EQ(finished.code, 1);
  const auto rows = parse_csv(text_of(folder_ / "table.csv"), "table.csv");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_THAT(rows[0], testing::ElementsAre("image", "class_1", "probability_1", "class_2", "probability_2", "error"));
  const json classes = classes_of(dog_);
  EXPECT_EQ(rows[2], (std::vector<std::string>{"nope.jpg", "", "", "", "", "nope.jpg: no such file or folder"}));
  EXPECT_EQ(rows[3][0], "a, b.png");
  EXPECT_EQ(rows[3][1], classes[0]["class"]);
  EXPECT_NEAR(std::stod(rows[3][2]), classes[0]["probability"].get<double>(), 1e-8);
  EXPECT_EQ(rows[3][3], classes[1]["class"]);
  EXPECT_EQ(rows[3][5], "");

  EXPECT_EQ(predict({cat_, "--csv", "table.csv", "--top-k", "1"}).code, 0);
  EXPECT_EQ(lines_in(folder_ / "table.csv"), 2);
  const std::string photo = text_of(folder_ / cat_);
  expect_refused(predict({dog_, "--csv", cat_}), 1, "convoy predict: " + cat_ + ": is there and is no table");
  EXPECT_EQ(text_of(folder_ / cat_), photo);
  expect_refused(predict({dog_, "--csv", "none/table.csv"}), 1, "convoy predict: none/table.csv: cannot open");
}

TEST_F(PredictCli, AHyphenIsStandardInput) {
  const json expected = classes_of(cat_);
  options_.in = folder_ / cat_;
  const std::vector<json> objects = objects_of(predict({"-", "--json"}).out);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0]["image"], "-");
  EXPECT_EQ(objects[0]["classes"], expected);
  options_.in = "/dev/null";
  expect_refused(predict({"-"}), 1, "convoy predict: -: standard input is empty");
}

TEST_F(PredictCli, PicturesHaveNamesOfTheirOwn) {
  for (const char* folder : {"a", "b"}) {
    fs::create_directories(folder_ / folder);
    fs::copy_file(folder_ / cat_, fs::path(folder_ / folder) / "photo.png");
  }
  const Finished finished = predict({"a", "b", "nope.jpg", cat_, "--json", "--save-pictures", "new/pictures"});
  const std::vector<json> objects = objects_of(finished.out);
  ASSERT_EQ(objects.size(), 4U);
  EXPECT_EQ(objects[0]["picture"], "new/pictures/photo.png");
  EXPECT_EQ(objects[1]["picture"], "new/pictures/photo-2.png");
  EXPECT_FALSE(objects[2].contains("picture"));
  EXPECT_EQ(objects[3]["picture"], "new/pictures/" + fs::path(cat_).stem().string() + ".png");
  // The photo of 32 pixels, enlarged, above a line for each of the two classes.
  const Image picture = load_image(folder_ / "new/pictures/photo-2.png");
  EXPECT_EQ(picture.width(), 240);
  EXPECT_EQ(picture.height(), 240 + 2 * 24);
  expect_refused(predict({cat_, "--save-pictures", "a"}), 1, "convoy predict: a: has something in it");
  expect_refused(predict({cat_, "--save-pictures", cat_}), 1, "convoy predict: " + cat_ + ": ");
}

}  // namespace
}  // namespace convoy
