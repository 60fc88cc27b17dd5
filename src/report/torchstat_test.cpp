#include "report/torchstat.h"

#include <gtest/gtest.h>

#include <cmath>

#include "convoy/model.h"
#include "convoy/ops.h"

namespace convoy {
namespace {

// The tutorial prints 5.74 GMAdd, 2.87 GFlops, 144.98 MB and 267.99 MB. To the unit they are torchstat's formulas on
// the modules of its code, run in PyTorch.
TEST(Torchstat, CountsEfficientNetV2AsTheTutorialPrints) {
  const Model& model = find_model("efficientnetv2_s");
  const TorchstatCounts counts =
      summarize(model, {.num_classes = 1000}, {1, model.image_size, model.image_size, 3}).total.torchstat;
  EXPECT_EQ(counts.madd, 5'736'265'560);
  EXPECT_EQ(counts.flops, 2'874'247'608);
  EXPECT_EQ(counts.read_bytes + counts.written_bytes, 281'008'192);
  EXPECT_EQ(std::round(static_cast<double>(counts.memory_bytes) / (1 << 20) * 100), 14498);
}

TEST(Torchstat, CountsOfEveryKindOfLayer) {
  Graph graph(Mode::training);
  const Builder b(graph);
  Value x(&graph, graph.add_input("images", {Shape{1, 8, 8, 3}}));
  x = conv2d(b / "conv", x, {.out_channels = 4, .kernel = 3, .padding = 1});
  x = relu(batch_norm(b / "bn", x));
  x = max_pool(x, {.kernel = 2, .stride = 2});
  x = add(x, x);
  x = linear(b / "fc", global_avg_pool(x), {.out_features = 10});
  const std::vector<TorchstatCounts> counts = torchstat_counts(graph);
  ASSERT_EQ(counts.size(), 8U);
  constexpr int64_t kPixels = 64, kMap = 4 * kPixels, kPooled = kMap / 4, kProducts = 27;
  const auto expect = [](const TorchstatCounts& actual, int64_t madd, int64_t flops, int64_t memory, int64_t read,
                         int64_t written) {
    EXPECT_EQ(actual.madd, madd);
    EXPECT_EQ(actual.flops, flops);
    EXPECT_EQ(actual.memory_bytes, 4 * memory);
    EXPECT_EQ(actual.read_bytes, 4 * read);
    EXPECT_EQ(actual.written_bytes, 4 * written);
  };
  expect(counts[0], 2 * kProducts * kMap, (kProducts + 1) * kMap, kMap, 3 * kPixels + 4 * kProducts + 4, kMap);
  expect(counts[1], 4 * kMap, 2 * kMap, kMap, kMap + 8, kMap);
  expect(counts[2], kMap, kMap, kMap, kMap, kMap);
  expect(counts[3], 3 * kPooled, kMap, kPooled, kMap, kPooled);
  expect(counts[4], 0, 0, 0, 0, 0);  // a sum is no module
  expect(counts[5], 0, 0, 4, 0, 0);  // adaptive pooling, flattening
  expect(counts[6], 0, 0, 4, 0, 0);
  expect(counts[7], 10 * (2 * 4 - 1), 40, 10, 4 + 50, 10);
}

}  // namespace
}  // namespace convoy
