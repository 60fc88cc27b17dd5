#include "convoy/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "convoy/classifier.h"
#include "convoy/error.h"
#include "core/random.h"
#include "inference/model_file.h"
#include "inference/quantized_testing.h"
#include "inference/testing.h"
#include "plan/network_graph.h"
#include "plan/program.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;
using testing::SizeIs;
using testing::ThrowsMessage;

constexpr int64_t kImage = 3 * kSide * kSide;

class SessionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    add_tiny_net();
    file_ = std::filesystem::path(testing::TempDir()) / "convoy_session.safetensors";
    const Graph graph = inference_graph(find_model("tiny_pooled"), {.num_classes = kClasses}, {1, kSide, kSide, 3});
    Variables variables;
    variables.add(graph, 3);
    // Statistics that fold into the convolution to something else than it was.
    variables.write("bn.running_mean", std::vector<float>(8, 0.25F));
    variables.write("bn.running_var", std::vector<float>(8, 0.5F));
    ModelCard card;
    card.architecture = "tiny_pooled";
    card.options.num_classes = kClasses;
    card.class_names = {"a", "b", "c"};
    card.preprocessing.image_size = kSide;
    write_model_file(file_, card, graph, "", variables);
  }

  static std::vector<float> images(int64_t count, uint64_t seed = 1) {
    RandomStream random(seed, "images");
    std::vector<float> values(static_cast<size_t>(count * kImage));
    for (float& x : values) x = random.uniform(-2, 2);
    return values;
  }

  static inline std::filesystem::path file_;
};

// The convolution {8, 3, 3, 3} of stride 1 and padding 1, its norm, ReLU, mean and the linear layer, in double.
std::vector<double> expected_logits(const TrainedNetwork& network, std::span<const float> image) {
  const std::vector<float> conv = network.weight("conv.weight"), gamma = network.weight("bn.weight"),
                           beta = network.weight("bn.bias"), mean = network.weight("bn.running_mean"),
                           var = network.weight("bn.running_var"), fc = network.weight("fc.weight"),
                           bias = network.weight("fc.bias");
  std::vector<double> pooled(8), logits(bias.begin(), bias.end());
  for (int c = 0; c < 8; ++c) {
    for (int pixel = 0; pixel < kSide * kSide; ++pixel) {
      double sum = 0;
      for (int k = 0; k < 27; ++k) {
        const int in = k / 9, y = pixel / kSide + k / 3 % 3 - 1, x = pixel % kSide + k % 3 - 1;
        if (y < 0 || y >= kSide || x < 0 || x >= kSide) continue;
        sum += static_cast<double>(conv[static_cast<size_t>(c * 27 + k)]) *
               static_cast<double>(image[static_cast<size_t>((y * kSide + x) * 3 + in)]);
      }
      const auto i = static_cast<size_t>(c);
      const double normed = (sum - mean[i]) / std::sqrt(var[i] + 1e-5) * gamma[i] + beta[i];
      pooled[i] += std::max(normed, 0.0) / (kSide * kSide);
    }
  }
  for (size_t row = 0; row < logits.size(); ++row) {
    for (size_t c = 0; c < 8; ++c) logits[row] += fc[row * 8 + c] * pooled[c];
  }
  return logits;
}

TEST_F(SessionTest, ComputesTheNetworkForAnyNumberOfImages) {
  const TrainedNetwork network(file_);
  EXPECT_EQ(network.architecture(), "tiny_pooled");
  EXPECT_EQ(network.image_size(), kSide);
  Session session(network, {.batch_size = 2});
  const std::vector<float> five = images(5);
  const std::vector<float> logits = session.run(five)[0];
  ASSERT_THAT(logits, SizeIs(5 * kClasses));
  for (size_t i = 0; i < 5; ++i) {
    const std::vector<double> expected =
        expected_logits(network, std::span(five).subspan(i * static_cast<size_t>(kImage), static_cast<size_t>(kImage)));
    for (size_t c = 0; c < kClasses; ++c) EXPECT_NEAR(logits[i * kClasses + c], expected[c], 1e-5) << i << " " << c;
  }
  EXPECT_THAT(session.output_shape(), ElementsAre(2, kClasses));
  EXPECT_THAT(session.run({})[0], SizeIs(0));
  EXPECT_THAT([&] { session.run(std::span(five).first(7)); },
              ThrowsMessage<UsageError>(HasSubstr("expected images of 192 numbers, got 7 numbers")));
}

TEST_F(SessionTest, GivesFeaturesAndWhatALayerMakes) {
  const TrainedNetwork network(file_);
  Session session(network, {.outputs = {"features", "logits"}}),
      layers(network, {.outputs = {"conv", "features", "fc"}});
  const std::vector<float> one = images(1);
  const auto results = session.run(one), inner = layers.run(one);
  EXPECT_THAT(layers.output_shape(0), ElementsAre(1, kSide, kSide, 8));
  EXPECT_THAT(session.output_shape(0), ElementsAre(1, 8));
  const std::vector<float> fc = network.weight("fc.weight"), bias = network.weight("fc.bias");
  for (size_t row = 0; row < kClasses; ++row) {
    double sum = bias[row];
    for (size_t c = 0; c < 8; ++c) sum += static_cast<double>(fc[row * 8 + c]) * static_cast<double>(results[0][c]);
    EXPECT_NEAR(results[1][row], sum, 1e-5);
    EXPECT_NEAR(inner[2][row], results[1][row], 1e-5);
  }
  // Of the norm and the ReLU nothing is in the convolution's own result: its mean over pixels is that of the images'.
  EXPECT_TRUE(std::ranges::any_of(inner[0], [](float x) { return x < 0; }));
  EXPECT_THAT([&] { Session(network, {.outputs = {"convv"}}); },
              ThrowsMessage<UsageError>(HasSubstr("did you mean 'conv'")));
  EXPECT_THROW(Session(network, {.outputs = {}}), UsageError);
  EXPECT_THROW(Session(network, {.batch_size = 0}), UsageError);
}

TEST_F(SessionTest, InfersWithQuantisedNetworks) {
  const auto file = std::filesystem::path(testing::TempDir()) / "convoy_session_quantised.safetensors";
  const ModelCard card = quantized_card(kClasses, kSide);
  write_quantized(file, card);
  TrainedNetwork network(file);
  const std::vector<float> two = images(2);
  const std::vector<float> logits = Session(network, {.batch_size = 2}).run(two)[0];

  Graph graph = inference_graph(*card.network, card.options, {2, kSide, kSide, 3});
  Variables exact(reference_backend());
  read_weights(SafetensorsReader(file), graph, exact);
  Program program(std::move(graph), {.backend = reference_backend()});
  Buffer arena(program.arena_bytes());
  program.bind(exact, arena);
  program.write("images", two);
  program.run({});
  EXPECT_THAT(logits, Pointwise(FloatNear(1e-5F), program.read("logits")));

  const auto inner = Session(network, {.batch_size = 2, .outputs = {"logits", "features", "conv"}}).run(two);
  EXPECT_EQ(inner[0], logits);
  EXPECT_THAT(inner[1], SizeIs(2 * 12));
  EXPECT_THAT(inner[2], SizeIs(2 * kSide * kSide * 12));
  const std::vector<float> fc = network.weight("fc.weight"), scale = network.weight("fc.weight_scale");
  for (size_t row = 0; row < kClasses; ++row) {
    double sum = 0;
    for (size_t c = 0; c < 12; ++c) sum += static_cast<double>(fc[row * 12 + c]) * static_cast<double>(inner[1][c]);
    EXPECT_NEAR(logits[row], sum * static_cast<double>(scale[row]), 1e-5);
  }

  // The same by the file's own weights, prepared as they are read.
  std::vector<uint8_t> bytes(kImage, 200);
  const Pixels pixels{.bytes = bytes, .width = kSide, .height = kSide};
  std::vector<float> prepared(kImage);
  network.prepare(pixels, prepared);
  EXPECT_EQ(Classifier(file).logits(std::span(&pixels, 1)), Session(network).run(prepared)[0]);

  std::vector<float> weight = network.weight("mix.weight");
  for (const float wrong : {0.5F, -128.0F, 200.0F}) {
    weight[3] = wrong;
    EXPECT_THAT([&] { network.set_weight("mix.weight", weight); },
                ThrowsMessage<UsageError>(HasSubstr("mix.weight: expected whole numbers from -127 to 127")));
  }
  std::fill(weight.begin(), weight.end(), 127.0F);
  network.set_weight("mix.weight", weight);
  EXPECT_EQ(network.weight("mix.weight"), weight);
  EXPECT_NE(Session(network, {.batch_size = 2}).run(two)[0], logits);
}

TEST_F(SessionTest, ReadsAndWritesWeightsByName) {
  TrainedNetwork network(file_);
  EXPECT_THAT(network.weight_names(), ElementsAre("conv.weight", "bn.weight", "bn.bias", "bn.running_mean",
                                                  "bn.running_var", "fc.weight", "fc.bias"));
  EXPECT_THAT(network.weight_shape("conv.weight"), ElementsAre(8, 3, 3, 3));
  EXPECT_THAT(network.weight_shape("fc.weight"), ElementsAre(kClasses, 8));
  const std::vector<float> one = images(1);
  Session before(network);
  std::vector<float> bias = network.weight("fc.bias");
  const float old = bias[1];
  bias[1] += 2;
  network.set_weight("fc.bias", bias);
  Session after(network);
  const std::vector<float> was = before.run(one)[0], is = after.run(one)[0];
  EXPECT_EQ(is[0], was[0]);
  EXPECT_NEAR(is[1], was[1] + 2, 1e-6);
  const std::filesystem::path saved = std::filesystem::path(testing::TempDir()) / "convoy_session_saved.safetensors";
  network.save(saved);
  EXPECT_EQ(TrainedNetwork(saved).weight("fc.bias")[1], old + 2);
  EXPECT_EQ(Session(TrainedNetwork(saved)).run(one)[0], is);
  EXPECT_THAT([&] { static_cast<void>(network.weight("fc.bia")); }, ThrowsMessage<UsageError>(HasSubstr("'fc.bias'")));
  EXPECT_THROW(network.set_weight("fc.bias", std::vector<float>(2)), UsageError);
  EXPECT_THROW(network.set_weight("fc.bias", std::vector<float>(3, std::numeric_limits<float>::infinity())),
               UsageError);
  EXPECT_EQ(network.weight("fc.bias"), bias);
}

TEST_F(SessionTest, PreparesPixelsAsTheClassifierDoes) {
  const TrainedNetwork network(file_);
  Session session(network);
  Classifier classifier(file_);
  std::vector<uint8_t> bytes(3 * 20 * 30);
  RandomStream random(5, "pixels");
  for (uint8_t& x : bytes) x = static_cast<uint8_t>(random.below(256));
  const Pixels pixels{.bytes = bytes, .width = 20, .height = 30};
  network.prepare(pixels, session.images());
  session.run();
  const std::vector<float> logits = classifier.logits(std::span(&pixels, 1));
  EXPECT_TRUE(std::ranges::equal(session.output(), logits));
  std::vector<float> small(5);
  EXPECT_THROW(network.prepare(pixels, small), UsageError);
  EXPECT_THROW(network.prepare({.bytes = bytes, .width = 0, .height = 30}, session.images()), UsageError);
}

// Two threads, each with a session of one thread, of a network that goes away; and a child process.
TEST_F(SessionTest, SessionsRunAtOnceAndAfterFork) {
  std::vector<std::unique_ptr<Session>> sessions;
  {
    const TrainedNetwork network(file_);
    for (int i = 0; i < 2; ++i) {
      sessions.push_back(std::make_unique<Session>(network, SessionOptions{.batch_size = 3, .threads = 1}));
    }
  }
  const std::vector<float> first = images(9, 1), second = images(9, 2);
  const std::vector<float> expected_first = sessions[0]->run(first)[0], expected_second = sessions[1]->run(second)[0];
  std::vector<int> wrong(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        wrong[i] += sessions[i]->run(i == 0 ? first : second)[0] != (i == 0 ? expected_first : expected_second);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0));
#if !defined(__SANITIZE_THREAD__)
  const pid_t child = fork();
  if (child == 0) _exit(sessions[0]->run(first)[0] == expected_first ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
#endif
}

}  // namespace
}  // namespace convoy
