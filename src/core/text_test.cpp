#include "core/text.h"

#include <gtest/gtest.h>

#include <vector>

namespace convoy {
namespace {

const std::vector<std::string> kNames = {"resnet18", "resnet50", "mobilenet_v2", "vgg19_bn", "lr", "batch-size"};

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("resnet5", kNames), "resnet50");
  EXPECT_EQ(nearest("mobilenetv2", kNames), "mobilenet_v2");
  EXPECT_EQ(nearest("MobileNet-V2", kNames), "mobilenet_v2");
  EXPECT_EQ(nearest("batchsize", kNames), "batch-size");
  EXPECT_EQ(nearest("abtch-size", kNames), "batch-size");
  EXPECT_EQ(nearest("rl", kNames), "lr");
  EXPECT_EQ(nearest("resnet18", kNames), "resnet18");
  EXPECT_EQ(nearest("vgg", kNames), "vgg19_bn");
}

TEST(Nearest, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest("transformer", kNames), "");
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest(std::string(100000, 'a'), kNames), "");
  EXPECT_EQ(nearest("resnet18", {}), "");
}

TEST(UnknownName, NamesTheKindAndTheHint) {
  EXPECT_EQ(unknown_name("model", "resnet5", kNames), "unknown model 'resnet5' (did you mean 'resnet50'?)");
  EXPECT_EQ(unknown_name("model", "transformer", kNames), "unknown model 'transformer'");
}

}  // namespace
}  // namespace convoy
