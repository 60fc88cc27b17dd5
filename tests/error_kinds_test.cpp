// What kind of error each kind of mistake is, also where the message gets its file's name on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "convoy/classifier.h"
#include "convoy/error.h"
#include "convoy/model.h"
#include "data/image.h"
#include "data/unlabelled.h"
#include "formats/atomic_file.h"
#include "formats/checkpoint.h"
#include "formats/golden.h"
#include "formats/safetensors.h"
#include "graph/graph.h"
#include "inference/arena.h"
#include "inference/model_file.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

using Call = std::function<void()>;

struct Mistake {
  ErrorKind kind;
  const std::type_info& type;
  Call make;
};

std::vector<Mistake> mistakes() {
  return {
      {ErrorKind::usage, typeid(UsageError), [] { find_model("resnet81"); }},
      {ErrorKind::data, typeid(Error),
       [] {
         decode_image(std::vector<uint8_t>{'t', 'e', 'x', 't'}, "text.png");
       }},
      {ErrorKind::file, typeid(FileError), [] { Classifier("no such.safetensors"); }},
      {ErrorKind::memory, typeid(MemoryError), [] { make_arena(std::numeric_limits<size_t>::max() / 2, "a test"); }},
      {ErrorKind::numeric, typeid(NumericError),
       [] {
         check_finite(std::vector{1.0F, std::numeric_limits<float>::quiet_NaN()}, "file", "weight");
       }},
      {ErrorKind::internal, typeid(InternalError), [] { Graph(Mode::inference).output("logits"); }},
  };
}

// Nothing where `call` throws no Error.
std::optional<Error> error_of(const Call& call, const std::type_info* type = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_TRUE(type == nullptr || typeid(error) == *type) << error.what();
    return error;
  }
  return std::nullopt;
}

TEST(ErrorKinds, EveryKindHasItsMistakeAndItsClass) {
  for (const Mistake& mistake : mistakes()) {
    const std::optional<Error> error = error_of(mistake.make, &mistake.type);
    ASSERT_TRUE(error) << mistake.type.name();
    EXPECT_EQ(error->kind(), mistake.kind) << error->what();
  }
}

TEST(ErrorKinds, WhatIsThrownAgainKeepsKindAndClass) {
  for (const Mistake& mistake : mistakes()) {
    const std::optional<Error> error = error_of(mistake.make);
    ASSERT_TRUE(error) << mistake.type.name();
    const std::optional<Error> again = error_of([&] { error->rethrow("another message"); }, &mistake.type);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->kind(), mistake.kind);
    EXPECT_STREQ(again->what(), "another message");
  }
}

// The messages of these are put together where the file is known, from errors that do not know it.
TEST(ErrorKinds, MessagesThatGetTheFileOnTheWayKeepTheirs) {
  const TemporaryFolder folder;
  const std::string plain = folder / "plain.safetensors", text = folder / "text.pth", none = folder / "none";
  write_safetensors(plain, {}, {});
  write_file_atomically(text, "text");
  for (const auto& [file, call] : std::vector<std::pair<std::string, Call>>{
           {none, [&] { Checkpoint{none}; }},
           {text, [&] { Checkpoint{text}; }},
           {plain, [&] { Golden{plain}; }},
           {plain, [&] { read_model_card(SafetensorsReader(plain)); }},
           {none, [&] { open_unlabelled({none})->load(0); }},
       }) {
    const std::optional<Error> error = error_of(call, &typeid(FileError));
    ASSERT_TRUE(error) << file;
    EXPECT_EQ(error->kind(), ErrorKind::file) << error->what();
    EXPECT_THAT(error->what(), testing::StartsWith(file + ": "));
  }
}

}  // namespace
}  // namespace convoy
