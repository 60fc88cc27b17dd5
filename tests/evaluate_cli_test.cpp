// `convoy eval` and `convoy compare` as a user runs them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/image.h"
#include "formats/csv_table.h"
#include "tests/support/load_image.h"
#include "tests/support/photos.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;

class EvaluateCli : public testing::Test {
 protected:
  // Two runs on ten photos of each of two classes, of which two are for validation.
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    ASSERT_NO_FATAL_FAILURE(make_photos(folder_->path()));
    for (const char* name : {"one", "two"}) {
      const Finished trained =
          convoy({"train", "photos", "--val-split", "0.2", "--model", "resnet9", "--img-size", "32", "--batch-size",
                  "4", "--epochs", name == std::string("one") ? "1" : "2", "--experiment", name});
      ASSERT_EQ(trained.code, 0) << trained.err;
    }
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path path(std::string_view name) { return folder_->path() / name; }

  static Finished convoy(const std::vector<std::string>& arguments) {
    ProcessOptions options;
    options.folder = folder_->path();
    return run_convoy(arguments, options);
  }

  static void expect_refused(const std::vector<std::string>& arguments, int code, const std::string& start) {
    const Finished finished = convoy(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_THAT(finished.err, StartsWith(start));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }

  static json parsed(const std::vector<std::string>& arguments) {
    const Finished finished = convoy(arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return json::parse(finished.out);
  }

  // Pictures that are readable, of that size at least, and not of one colour.
  static void expect_picture(const fs::path& stem, int width, int height) {
    const Image image = load_image(stem.string() + ".png");
    EXPECT_GE(image.width(), width) << stem;
    EXPECT_GE(image.height(), height) << stem;
    const auto [least, most] = std::minmax_element(image.row(0), image.row(image.height() - 1) + image.stride());
    EXPECT_NE(*least, *most) << stem;
    EXPECT_GT(fs::file_size(stem.string() + ".svg"), 1000U) << stem;
  }

  static inline TemporaryFolder* folder_ = nullptr;
};

TEST_F(EvaluateCli, DamagedImagesAreNamedAndRefusedWhereAsked) {
  const fs::path images = fs::path(CONVOY_SOURCE_DIR) / "tests/data/images";
  for (const char* name : {"cat", "dog"}) fs::create_directories(path("damaged") / name);
  fs::copy_file(images / "damaged_png_no_iend.png", path("damaged/cat/no_end.png"));
  fs::copy_file(images / "source.png", path("damaged/dog/sound.png"));
  const std::vector<std::string> words{"eval", "damaged", "--checkpoint", "runs/one", "--on-bad-image"};
  const auto with = [&](const char* choice) {
    std::vector<std::string> all = words;
    all.emplace_back(choice);
    return convoy(all);
  };
  const Finished read = with("error");
  EXPECT_EQ(read.code, 0) << read.err;
  EXPECT_THAT(read.err, AllOf(HasSubstr("warning: 1 damaged image was read all the same: damaged/cat/no_end.png: "),
                              Not(HasSubstr("sound.png"))));
  const Finished refused = with("strict");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("convoy eval: damaged/cat/no_end.png: damaged PNG: "));
  EXPECT_EQ(with("skip").code, 0);
}

TEST_F(EvaluateCli, EvalTellsEverythingThreeWays) {
  const Finished text = convoy({"eval", "runs/one/best.safetensors", "photos", "--split", "all", "--errors", "1"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("precision"), HasSubstr("macro average"), HasSubstr("confusion matrix"),
                              HasSubstr("calibration error"), HasSubstr("reliability")));

  const json report =
      parsed({"eval", "runs/one", "photos", "--split", "all", "--json", "--output", "charts", "--errors", "100"});
  EXPECT_EQ(report["images"], 20);
  int64_t wrong = report["confusion"][0][1].get<int64_t>() + report["confusion"][1][0].get<int64_t>();
  EXPECT_NEAR(report["top1"], static_cast<double>(20 - wrong) / 20, 1e-9);
  ASSERT_EQ(report["errors"].size(), static_cast<size_t>(wrong));
  for (size_t i = 0; i < report["errors"].size(); ++i) {
    const json& error = report["errors"][i];
    EXPECT_TRUE(fs::exists(path(error["image"].get<std::string>())));
    EXPECT_THAT(error["image"].get<std::string>(), HasSubstr(error["class"].get<std::string>()));
    EXPECT_NE(error["class"], error["predicted"]);
    if (i > 0) {
      EXPECT_LE(error["confidence"], report["errors"][i - 1]["confidence"]);
    }
  }
  int64_t binned = 0;
  double calibration_error = 0;
  for (const json& bin : report["calibration"]) {
    binned += bin["images"].get<int64_t>();
    calibration_error +=
        bin["images"].get<double>() / 20 * std::abs(bin["accuracy"].get<double>() - bin["confidence"].get<double>());
  }
  EXPECT_EQ(binned, 20);
  EXPECT_EQ(report["calibration"].size(), 15U);
  EXPECT_NEAR(report["calibration_error"], calibration_error, 1e-9);
  expect_picture(path("charts/confusion_matrix"), 400, 400);
  expect_picture(path("charts/reliability"), 1200, 1200);
}

TEST_F(EvaluateCli, EvalTakesWhatTrainingHeldBack) {
  std::ifstream file(path("runs/two/summary.json"));
  const json summary = json::parse(file);
  const std::string held_back = "4 images of photos that training held back (val-split 0.2, seed 42)";
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"eval", "runs/two"},
                                             {"eval", "--checkpoint", "runs/two"},
                                             {"eval", "photos", "--checkpoint", "runs/two"},
                                             {"eval", "runs/two", "photos", "--split", "val"}}) {
    std::vector<std::string> with_json = words;
    with_json.emplace_back("--json");
    const json report = parsed(with_json);
    EXPECT_EQ(report["evaluated"], held_back);
    EXPECT_EQ(report["images"], 4);
    EXPECT_EQ(report["trained_on"], 0);
    EXPECT_EQ(report["top1"], summary["best_top1"]);
    const Finished text = convoy(words);
    EXPECT_THAT(text.out, HasSubstr("evaluated: " + held_back + "\n"));
    EXPECT_THAT(text.err, testing::Not(HasSubstr("warning")));
    EXPECT_THAT(text.err, testing::Not(HasSubstr("Epoch")));
    EXPECT_THAT(text.err, HasSubstr("[Eval][Iter: 1/1] loss: "));
  }
}

TEST_F(EvaluateCli, EvalWarnsOfImagesThatWereTrainedOn) {
  const json held_back = parsed({"eval", "runs/two", "--json"});
  const json all = parsed({"eval", "runs/two", "--split", "all", "--json"});
  EXPECT_EQ(all["evaluated"], "all 20 images of photos");
  EXPECT_EQ(all["trained_on"], 16);
  EXPECT_EQ(all["not_trained_on"]["images"], 4);
  EXPECT_EQ(all["not_trained_on"]["top1"], held_back["top1"]);
  EXPECT_THAT(convoy({"eval", "runs/two", "--split", "all"}).err,
              HasSubstr(fmt::format("convoy eval: warning: 16 of these 20 images were trained on; the accuracy on the "
                                    "other 4 is {:.4f}\n",
                                    held_back["top1"].get<double>())));
  fs::create_directories(path("copies"));
  fs::copy(path("photos/cat"), path("copies/cat"));
  for (const auto& image : fs::directory_iterator(path("copies/cat")))
    fs::rename(image, image.path().parent_path() / ("a_" + image.path().filename().string()));
  EXPECT_THAT(convoy({"eval", "copies", "--checkpoint", "runs/two"}).err,
              HasSubstr("convoy eval: warning: 8 of these 10 images were trained on"));
  EXPECT_THAT(convoy({"eval", "runs/two", "--split", "train"}).err,
              HasSubstr("16 of these 16 images were trained on; the accuracy on new images is likely lower\n"));
  expect_refused({"eval", "runs/two", "--split", "test"}, 1, "convoy eval: photos: has no test images");
  expect_refused({"eval", "runs/two", "--split", "tests"}, 2, "convoy eval: --split: ");
}

TEST_F(EvaluateCli, ARunWithoutBestIsUsedByItsFolder) {
  fs::copy(path("runs/two"), path("stopped"), fs::copy_options::recursive);
  fs::remove(path("stopped/best.safetensors"));
  const std::string note = "note: stopped has no best.safetensors; last.safetensors is taken\n";
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"eval", "stopped"},
                                             {"predict", "photos/cat", "--checkpoint", "stopped"},
                                             {"fuse", "stopped", "--no-speed", "-o", "fused.safetensors"},
                                             {"import", "stopped", "--model", "resnet9", "-o", "imported.safetensors"},
                                             {"bench", "stopped", "--steps", "1"},
                                             {"summary", "stopped"}}) {
    const Finished finished = convoy(words);
    EXPECT_EQ(finished.code, 0) << words.front() << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(note)) << words.front();
  }
  // What was fused or imported knows what it was trained on, too.
  for (const char* file : {"fused.safetensors", "imported.safetensors"}) {
    EXPECT_EQ(parsed({"eval", file, "photos", "--json", "--split", "all"})["trained_on"], 16) << file;
  }
  const Finished next = convoy({"train", "photos", "--val-split", "0.2", "--model", "resnet9", "--img-size", "32",
                                "--epochs", "1", "--experiment", "next", "--initial-checkpoint", "stopped"});
  EXPECT_THAT(next.out, HasSubstr("from stopped/last.safetensors"));
  EXPECT_EQ(convoy({"compare", "stopped", "runs/two"}).code, 0);
  fs::create_directories(path("empty"));
  expect_refused({"eval", "photos", "--checkpoint", "empty"}, 1,
                 "convoy eval: empty: expected a model file or a run folder");
}

TEST_F(EvaluateCli, TopFiveOfTwoClassesIsNotShown) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"eval", "runs/two"}, {"compare", "runs/one", "runs/two"}}) {
    EXPECT_THAT(convoy(words).out, testing::Not(HasSubstr("top-5"))) << words.front();
  }
  EXPECT_TRUE(parsed({"eval", "runs/two", "--json"})["top5"].is_null());
  EXPECT_TRUE(parsed({"compare", "runs/two", "--json"})["runs"][0]["top5"].is_null());
}

TEST_F(EvaluateCli, TestTimeAugmentationChangesTheFigures) {
  const json plain = parsed({"eval", "runs/two", "photos", "--json"});
  const json mirrored = parsed({"eval", "runs/two", "photos", "--json", "--tta", "hflip"});
  const json shifted = parsed({"eval", "runs/two", "photos", "--json", "--tta", "hflip-shift"});
  EXPECT_NE(plain["loss"], mirrored["loss"]);
  EXPECT_NE(mirrored["loss"], shifted["loss"]);
  EXPECT_EQ(convoy({"predict", "photos/cat", "--tta", "hflip"}).code, 0);
  expect_refused({"eval", "photos", "--tta", "flip"}, 2, "convoy eval: --tta: ");
}

// Enough pixels for Winograd's convolutions, which round otherwise.
TEST_F(EvaluateCli, ExactLeavesApproximateKernelsOut) {
  const json usual = parsed({"eval", "runs/two", "photos", "--json", "--split", "all", "--batch-size", "48"});
  const json exact =
      parsed({"eval", "runs/two", "photos", "--json", "--split", "all", "--batch-size", "48", "--exact"});
  EXPECT_NE(usual["loss"], exact["loss"]);
  EXPECT_NEAR(usual["loss"].get<double>(), exact["loss"].get<double>(), 1e-4);
}

TEST_F(EvaluateCli, MistakesInEval) {
  expect_refused({"eval", "runs/none", "photos"}, 1, "convoy eval: runs/none: ");
  expect_refused({"eval", "runs/one", "photos", "--checkpoint", "runs/two"}, 2, "convoy eval: --checkpoint: ");
  expect_refused({"eval", "runs/one", "none", "--output", "charts_of_none"}, 1, "convoy eval: none: ");
  EXPECT_FALSE(fs::exists(path("charts_of_none")));
  expect_refused({"eval", "runs/one", "photos", "--output", "runs/one/recipe.toml"}, 1,
                 "convoy eval: runs/one/recipe.toml: cannot create the folder");
}

TEST_F(EvaluateCli, ARunFolderHasChartsAndItsCost) {
  expect_picture(path("runs/two/results"), 1600, 1000);
  expect_picture(path("runs/two/confusion_matrix"), 400, 400);
  std::ifstream file(path("runs/two/summary.json"));
  const json summary = json::parse(file);
  EXPECT_EQ(summary["model"], "resnet9");
  EXPECT_EQ(summary["epochs_done"], 2);
  EXPECT_EQ(summary["finished"], true);
  EXPECT_EQ(summary["val_images"], 4);
  EXPECT_GT(summary["cost"]["wall_seconds"], 0);
  EXPECT_GT(summary["cost"]["cpu_seconds"], 0);
  // As many multiply-adds as `convoy summary` counts.
  const json network = parsed({"summary", "resnet9", "--num-classes", "2", "--img-size", "32", "--json"});
  EXPECT_EQ(summary["multiply_adds"], network["total"]["multiply_adds"]);
  EXPECT_EQ(summary["parameters"], network["total"]["parameters"]);
}

TEST_F(EvaluateCli, CompareTellsEverythingFourWays) {
  const json compared = parsed({"compare", "runs/one", "runs/two/", "--json", "--output", "comparison"});
  ASSERT_EQ(compared["runs"].size(), 2U);
  EXPECT_EQ(compared["runs"][0]["run"], "one");
  EXPECT_EQ(compared["runs"][1]["epochs_done"], 2);
  EXPECT_LE(compared["runs"][0]["top1_low"], compared["runs"][0]["top1"]);
  ASSERT_EQ(compared["differences"].size(), 1U);
  EXPECT_EQ(compared["differences"][0]["test"], "McNemar");
  EXPECT_EQ(compared["differences"][0]["significant"], false);
  expect_picture(path("comparison/comparison"), 1600, 800);

  const auto rows = parse_csv(convoy({"compare", "runs/one", "runs/two", "--csv"}).out, "csv");
  ASSERT_EQ(rows.size(), 3U);
  const auto column = std::ranges::find(rows[0], "parameters") - rows[0].begin();
  EXPECT_EQ(rows[2][static_cast<size_t>(column)], compared["runs"][1]["parameters"].dump());

  const std::string markdown = convoy({"compare", "runs/one", "runs/two", "--md"}).out;
  EXPECT_THAT(markdown, AllOf(StartsWith("| run | network |"), HasSubstr("\n|---|---|---:|")));
  EXPECT_THAT(convoy({"compare", "runs/one", "runs/two"}).out,
              AllOf(StartsWith("run"), HasSubstr("* best top-1: "), HasSubstr("McNemar's exact test")));
}

TEST_F(EvaluateCli, MistakesInCompare) {
  expect_refused({"compare", "runs/won"}, 1, "convoy compare: runs/won: expected a run folder of `convoy train`");
  expect_refused({"compare", "photos"}, 1, "convoy compare: photos: expected a run folder");
  expect_refused({"compare", "runs/one", "--json", "--csv"}, 2, "convoy compare: ");
  fs::copy(path("runs/one"), path("damaged"), fs::copy_options::recursive);
  std::ofstream(path("damaged/predictions.csv")) << "image,class\n";
  expect_refused({"compare", "damaged"}, 1, "convoy compare: damaged/predictions.csv: ");
  std::ofstream(path("damaged/summary.json")) << "{}";
  expect_refused({"compare", "damaged"}, 1, "convoy compare: damaged/summary.json: damaged: ");
}

TEST_F(EvaluateCli, ComparedRunsOfDifferentClassesAreTold) {
  fs::copy(path("photos"), path("wolves"), fs::copy_options::recursive);
  fs::rename(path("wolves/dog"), path("wolves/wolf"));
  ASSERT_EQ(convoy({"train", "wolves", "--val-split", "0.2", "--model", "resnet9", "--img-size", "32", "--batch-size",
                    "4", "--epochs", "1", "--experiment", "wolves"})
                .code,
            0);
  const json compared = parsed({"compare", "runs/one", "runs/wolves", "--json"});
  ASSERT_EQ(compared["notes"].size(), 1U);
  EXPECT_EQ(compared["notes"][0],
            "one and wolves have different classes, such as 'dog': their accuracies do not compare");
  EXPECT_EQ(compared["differences"].size(), 0U);
  EXPECT_EQ(compared["best"], "one");
  EXPECT_THAT(convoy({"compare", "runs/one", "runs/wolves"}).out, testing::Not(HasSubstr("points above")));
}

TEST_F(EvaluateCli, ComparedRunsOfDifferentImagesAreTold) {
  ASSERT_EQ(convoy({"train", "photos", "--val-split", "0.2", "--model", "resnet9", "--img-size", "32", "--batch-size",
                    "4", "--epochs", "1", "--seed", "7", "--experiment", "seven"})
                .code,
            0);
  const Finished compared = convoy({"compare", "runs/seven", "runs/one", "runs/two"});
  EXPECT_THAT(compared.out,
              HasSubstr("\n\nnote: seven and one were validated on different images: their accuracies do not compare\n"
                        "note: seven and two were validated on different images: their accuracies do not compare\n"
                        "* best top-1: seven\n"));
  EXPECT_THAT(compared.out, testing::Not(HasSubstr("points above")));
}

}  // namespace
}  // namespace convoy
