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

TEST(ToUtf8, KeepsCharactersAndReplacesOtherBytes) {
  for (const std::string text :
       {"", "cat", "\xC3\xA9t\xC3\xA9", "\xE8\x9D\xB4\xE8\x9D\xB6", "\xF0\x9F\x90\xB1", "\xED\x9F\xBF"}) {
    EXPECT_EQ(to_utf8(text), text);
  }
  EXPECT_EQ(to_utf8("\xE9t\xE9"), "?t?");          // Latin-1
  EXPECT_EQ(to_utf8("\xE8\x9D"), "??");            // cut short
  EXPECT_EQ(to_utf8("\xC0\xAF"), "??");            // overlong
  EXPECT_EQ(to_utf8("\xED\xA0\x80"), "???");       // a surrogate
  EXPECT_EQ(to_utf8("\xF4\x90\x80\x80"), "????");  // beyond U+10FFFF
  EXPECT_EQ(to_utf8("\x80"
                    "a\xFF"),
            "?a?");
}

TEST(Printable, LeavesNothingThatATerminalActsOn) {
  EXPECT_EQ(printable("caf\xC3\xA9 \xF0\x9F\x90\xB1.jpg"), "caf\xC3\xA9 \xF0\x9F\x90\xB1.jpg");
  EXPECT_EQ(printable("a\nb\tc\x1B[2J\x7F"), "a?b?c?[2J?");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "?");
  EXPECT_EQ(printable("\xC2\x80\xC2\x9B\xC2\x9F\xC2\xA0"), "???\xC2\xA0");  // C1, whose U+009B is ESC [
  EXPECT_EQ(printable("\x9B"), "?");
}

}  // namespace
}  // namespace convoy
