// Looking at networks from the command line: their figures, and every option that shapes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The figures that the tutorial prints.
TEST(NetworkCli, SummaryTellsWhatPapersPrint) {
  const std::vector<std::string> network = {"summary", "efficientnetv2_s", "--num-classes",
                                            "1000",    "--img-size",       "224"};
  const Finished text = run_convoy(network);
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* line : {"parameters     21,458,488 ", "MAdd           5.74 G\n", "FLOPs          2.87 G\n",
                           "memory         144.98 MB\n", "MemR+W         267.99 MB\n"}) {
    EXPECT_THAT(text.out, HasSubstr(line));
  }
  std::vector<std::string> as_json = network;
  as_json.emplace_back("--json");
  const json total = json::parse(run_convoy(as_json).out)["total"];
  EXPECT_EQ(total["parameters"], 21'458'488);
  EXPECT_EQ(total["madd"], 5'736'265'560);
  EXPECT_EQ(total["flops"], 2'874'247'608);
  EXPECT_EQ(total["read_bytes"].get<int64_t>() + total["written_bytes"].get<int64_t>(), 281'008'192);
}

TEST(NetworkCli, AnImpossibleArchitectureIsOneLineThatNamesTheNearest) {
  const auto refused = [](std::vector<std::string> options, const std::string& what) {
    options.insert(options.begin(), "summary");
    const Finished finished = run_convoy(options);
    EXPECT_EQ(finished.code, 2);
    EXPECT_THAT(finished.err, HasSubstr(what));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  };
  refused({"asymnet_large"}, "did you mean 'asymmnet_large'?");
  refused({"asymmnet_large", "--asymmetry-rate", "3"}, "expected at most 2");
  refused({"asymmnet_large", "--width", "0"}, "expected a number above 0 and at most 16");
  refused({"resnet18", "--width", "0.5"}, "asymmnet_large, asymmnet_small have it");
  refused({"darknet53", "--act", "leaky"}, "leaky_relu");
  refused({"mobilenet_v3_small", "--act", "silu"}, "darknet53");
  refused({"swin_t", "--acnet"}, "no k x k convolution");
  refused({"acnet_resnet18", "--acnet"}, "is an ACNet already");
  refused({"vgg11", "--img-size", "16"}, "expected at least 32 for vgg11, got 16");
}

// However the batch is cut, the layers together are the network.
TEST(NetworkCli, BenchHoldsLayersAgainstTheMachine) {
  std::vector<std::string> words = {"bench", "resnet9", "--img-size", "32", "--steps", "1", "--threads", "2"};
  std::vector<std::string> as_json = words;
  as_json.emplace_back("--json");
  EXPECT_FALSE(json::parse(run_convoy(as_json).out).contains("layers"));
  as_json.emplace_back("--layers");
  const json network = json::parse(run_convoy({"summary", "resnet9", "--img-size", "32", "--json"}).out);
  for (const int64_t batch : {1, 3}) {
    std::vector<std::string> of_batch = as_json;
    of_batch.insert(of_batch.end(), {"--batch-size", std::to_string(batch)});
    const json report = json::parse(run_convoy(of_batch).out);
    EXPECT_GT(report["bandwidth_bytes_per_s"], 1e8);
    int64_t multiply_adds = 0;
    for (const json& layer : report["layers"]) {
      EXPECT_GE(layer["seconds"], 0);
      EXPECT_NE(layer["kernel"], "");
      const double arithmetic = 2 * layer["multiply_adds"].get<double>() / report["peak_flop_per_s"].get<double>();
      const double memory = layer["bytes"].get<double>() / report["bandwidth_bytes_per_s"].get<double>();
      EXPECT_DOUBLE_EQ(layer["bound_seconds"], std::max(arithmetic, memory));
      multiply_adds += layer["multiply_adds"].get<int64_t>();
    }
    EXPECT_EQ(multiply_adds, batch * network["total"]["multiply_adds"].get<int64_t>());
    const json& stem = report["layers"][0];
    EXPECT_EQ(stem["name"], "stem.conv");
    EXPECT_EQ(stem["bytes"], 4 * (batch * 32 * 32 * (3 + 32) + 27 * 32 + 32));
  }
  words.emplace_back("--layers");
  EXPECT_THAT(run_convoy(words).out, testing::ContainsRegex("not depthwise: 1 groups of 64 channels"));
}

TEST(NetworkCli, PlanFitsATrainingStepIntoMemory) {
  const std::vector<std::string> words = {"plan", "resnet9", "--train", "--batch-size", "16", "--json"};
  const auto planned = [&](const std::string& memory) {
    std::vector<std::string> all = words;
    if (!memory.empty()) all.insert(all.end(), {"--memory", memory});
    return run_convoy(all);
  };
  const json whole = json::parse(planned("").out);
  const int64_t bytes = whole["planned_bytes"].get<int64_t>() + whole["variable_bytes"].get<int64_t>();
  EXPECT_EQ(whole["repeated_nodes"], 0);
  const json smaller = json::parse(planned(std::to_string(bytes * 17 / 20)).out);
  EXPECT_LE(smaller["planned_bytes"].get<int64_t>() + smaller["variable_bytes"].get<int64_t>(), bytes * 17 / 20);
  EXPECT_EQ(smaller["planned_bytes"].get<int64_t>() + smaller["saved_bytes"].get<int64_t>(), whole["planned_bytes"]);
  EXPECT_GT(smaller["repeated_nodes"], 0);
  EXPECT_GT(smaller["repeated_share"], 0);
  EXPECT_EQ(smaller["nodes"].size(), whole["nodes"].size() + smaller["repeated_nodes"].get<size_t>());

  const Finished refused = planned("13M");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, testing::ContainsRegex("memory: expected at least [0-9]+M for resnet9 at batch size 16 and "
                                                  "image size 32, got 13M; use a smaller batch or smaller images\n"));
  EXPECT_THAT(planned("much").err, HasSubstr("expected an amount of memory such as 1.5G or 800M, got 'much'"));
  EXPECT_THAT(run_convoy({"bench", "resnet9", "--memory", "1G"}).err,
              HasSubstr("memory: expected --train, too: only training can compute anything again"));
}

TEST(NetworkCli, StepsHaveTheUpdateOfAnyOptimizer) {
  const auto plan = [](const std::string& optimizer) {
    return json::parse(
        run_convoy({"plan", "resnet9", "--train", "--batch-size", "2", "--opt", optimizer, "--json"}).out);
  };
  const auto updates = [&](const json& planned) {
    return std::ranges::count_if(planned["nodes"], [](const json& node) { return node["kernel"] == "newton_schulz"; });
  };
  const json muon = plan("muon"), adam = plan("adam"), sgd = plan("sgd");
  EXPECT_GT(updates(muon), 0);
  EXPECT_EQ(updates(adam), 0);
  // Adam keeps two moments of each weight, and SGD one: three numbers a weight, and two.
  const auto bytes = [](const json& planned) { return planned["variable_bytes"].get<double>(); };
  EXPECT_NEAR(bytes(adam) / bytes(sgd), 1.5, 0.01);

  const json timed = json::parse(
      run_convoy({"bench", "resnet9", "--train", "--batch-size", "2", "--opt", "lion", "--steps", "1", "--json"}).out);
  EXPECT_EQ(timed["optimizer"], "lion");
  EXPECT_THAT(run_convoy({"bench", "resnet9", "--opt", "lion"}).err,
              HasSubstr("opt: expected --train, too: only training updates weights"));
  EXPECT_THAT(run_convoy({"plan", "resnet9", "--train", "--opt", "muno"}).err,
              HasSubstr("unknown opt 'muno' (did you mean 'muon'?)"));
}

// In double precision the step is PyTorch's to what float32 files can tell.
TEST(NetworkCli, VerifyRunsOnAnyBackend) {
  const std::string golden = CONVOY_SOURCE_DIR "/tests/golden/resnet9.safetensors";
  const Finished reference = run_convoy({"verify", golden, "--backend", "reference", "--json"});
  ASSERT_EQ(reference.code, 0) << reference.err;
  const json report = json::parse(reference.out);
  EXPECT_TRUE(report["passed"].get<bool>());
  for (const json& line : report["errors"]) EXPECT_LT(line["error"], 5e-7) << line;
  EXPECT_EQ(run_convoy({"verify", golden, "--backend", "cpu"}).code, 0);
  const Finished unknown = run_convoy({"verify", golden, "--backend", "referense"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("unknown backend 'referense' (did you mean 'reference'?)"));
}

}  // namespace
}  // namespace convoy
