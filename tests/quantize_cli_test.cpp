// `convoy quantize` as a user meets it, and its result in the other commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/csv_table.h"
#include "inference/testing.h"
#include "tests/support/drawn_model.h"
#include "tests/support/process.h"
#include "tests/support/train_cli.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class QuantizeCommand : public testing::Test {
 protected:
  QuantizeCommand() {
    write_drawn_resnet9(model_, {"class0", "class1", "class2"});
    write_dataset(folder_ / "photos", 8);
  }

  Finished quantize(const std::vector<std::string>& more) {
    std::vector<std::string> words = {"quantize", model_, "-o", int8_, "--data", folder_ / "photos"};
    words.insert(words.end(), more.begin(), more.end());
    return run_convoy(words);
  }

  TemporaryFolder folder_;
  std::string model_ = folder_ / "model.safetensors";
  std::string int8_ = folder_ / "int8.safetensors";
};

TEST_F(QuantizeCommand, ItsFileIsAModelFileLikeAnyOther) {
  const Finished done = quantize({"--max-drop", "100"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("calibrated on 12 of 12 images, one half of all 24 images"),
                              HasSubstr("\nlayer "), HasSubstr("layers in int8, 0 in float32\n"), HasSubstr("wrote ")));
  const auto table = parse_csv(text_of(int8_ + ".csv"), "table");
  EXPECT_EQ(table[0][0], "layer");
  EXPECT_EQ(table[1][2], "int8");
  EXPECT_EQ(table.size(), 10U);  // nine layers
  const Finished eval = run_convoy({"eval", int8_, folder_ / "photos", "--json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(json::parse(eval.out).at("images"), 24);
  const json bench = json::parse(run_convoy({"bench", int8_, "--steps", "1", "--json"}).out);
  EXPECT_EQ(bench.at("precision"), "int8");
  const json total = json::parse(run_convoy({"summary", int8_, "--json"}).out).at("total");
  EXPECT_GT(total.at("madd"), total.at("multiply_adds"));
  EXPECT_LT(total.at("parameter_bytes"), 2 * total.at("parameters").get<int64_t>());
  const Finished again = run_convoy({"quantize", int8_, "-o", folder_ / "twice", "--data", folder_ / "photos"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("is quantised already"));
}

// Equalised channels are another size.
TEST_F(QuantizeCommand, ItsFileIsTheSameNetworkButForRounding) {
  ASSERT_EQ(quantize({"--max-drop", "100"}).code, 0);
  const Finished verify = run_convoy({"verify", model_, int8_, "--data", folder_ / "photos", "--json"});
  ASSERT_EQ(verify.code, 0) << verify.out << verify.err;
  const json report = json::parse(verify.out);
  EXPECT_EQ(report.at("layers").size(), 9U);
  for (const json& layer : report.at("layers")) EXPECT_LT(layer.at("error"), 0.2) << layer;
}

TEST_F(QuantizeCommand, PrintsOneJsonObject) {
  const Finished done = quantize({"--max-drop", "100", "--json", "--calibration", "kl", "--limit", "5"});
  ASSERT_EQ(done.code, 0) << done.err;
  const json report = json::parse(done.out);
  EXPECT_EQ(report.at("layers").size(), 9U);
  EXPECT_EQ(report.at("measured_images"), 5);
  EXPECT_GT(report.at("bytes_before").get<int64_t>(), 3 * report.at("bytes_after").get<int64_t>());
}

TEST_F(QuantizeCommand, RefusesWrongUseInOneLine) {
  const auto expect_refused = [&](const std::vector<std::string>& more, int code, const std::string& what) {
    const Finished done = quantize(more);
    EXPECT_EQ(done.code, code);
    EXPECT_THAT(done.err, AllOf(StartsWith("convoy quantize: "), HasSubstr(what)));
    EXPECT_EQ(std::ranges::count(done.err, '\n'), 1) << done.err;
    EXPECT_FALSE(std::filesystem::exists(int8_));
  };
  expect_refused({"--calibration", "klx"}, 2, "calibration");
  expect_refused({"--max-drop", "-1"}, 2, "--max-drop");
  expect_refused({"--calibration-images", "0"}, 2, "--calibration-images");
  EXPECT_EQ(run_convoy({"quantize", model_}).code, 2);
  const Finished absent = run_convoy({"quantize", folder_ / "absent", "-o", int8_});
  EXPECT_EQ(absent.code, 1);
  const Finished nothing = run_convoy({"quantize", model_, "-o", int8_});
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("does not say what it was trained on"));
}

}  // namespace
}  // namespace convoy
