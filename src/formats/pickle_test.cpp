#include "formats/pickle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "convoy/error.h"
#include "formats/pickled_notes.h"

namespace convoy {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// A byte string with its zeros.
template <size_t size>
std::string raw(const char (&text)[size]) {
  return {text, size - 1};
}

std::string error_of(const std::string& text) {
  try {
    const Pickle pickle(bytes_of(text));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Pickle, ReadsWhatPythonWrites) {
  // pickle.dumps({'a': [1, -2, 2.5, None, True], 'b': (b'xy', 70000, 'é', 300)}, 4)
  const std::string text =
      raw("\x80\x04\x95\x34\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
          "a\x94]\x94(K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00N\x88"
          "e\x8c\x01"
          "b\x94(C\x02xy\x94J\x70\x11\x01\x00\x8c\x02\xc3\xa9\x94M,\x01t\x94u.");
  const Pickle pickle(bytes_of(text));
  EXPECT_EQ(pickle.size(), text.size());
  const auto* dict = pickle.get<PickleDict>(pickle.root());
  ASSERT_NE(dict, nullptr);
  const auto& list = pickle.get<PickleList>(pickle.find(*dict, "a"))->items;
  ASSERT_EQ(list.size(), 5);
  EXPECT_EQ(*pickle.get<int64_t>(list[0]), 1);
  EXPECT_EQ(*pickle.get<int64_t>(list[1]), -2);
  EXPECT_EQ(*pickle.get<double>(list[2]), 2.5);
  EXPECT_NE(pickle.get<std::monostate>(list[3]), nullptr);
  EXPECT_TRUE(*pickle.get<bool>(list[4]));
  const auto& tuple = pickle.get<PickleList>(pickle.find(*dict, "b"))->items;
  ASSERT_EQ(tuple.size(), 4);
  EXPECT_EQ(pickle.get<PickleBytes>(tuple[0])->bytes.size(), 2);
  EXPECT_EQ(*pickle.get<int64_t>(tuple[1]), 70000);
  EXPECT_EQ(*pickle.get<std::string_view>(tuple[2]), "\xc3\xa9");
  EXPECT_EQ(*pickle.get<int64_t>(tuple[3]), 300);
  EXPECT_LT(pickle.find(*dict, "c"), 0);
}

TEST(Pickle, LongIntegersKeepTheirSign) {
  const std::string text =
      raw("\x80\x02(\x8a\x00\x8a\x01\xff\x8a\x02\x00\x80\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80t.");
  const Pickle pickle(bytes_of(text));
  const auto& items = pickle.get<PickleList>(pickle.root())->items;
  EXPECT_EQ(*pickle.get<int64_t>(items[0]), 0);
  EXPECT_EQ(*pickle.get<int64_t>(items[1]), -1);
  EXPECT_EQ(*pickle.get<int64_t>(items[2]), -32768);
  EXPECT_EQ(*pickle.get<int64_t>(items[3]), std::numeric_limits<int64_t>::min());
}

// tests/checkpoints/plain_N.pkl are pickle.dumps of what plain.json says, by each protocol.
TEST(Pickle, ReadsWhatEveryProtocolWrites) {
  const std::string folder = CONVOY_SOURCE_DIR "/tests/checkpoints/";
  const auto content = [&](const std::string& file) {
    std::ifstream stream(folder + file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(stream), {}};
  };
  const auto expected = nlohmann::json::parse(content("plain.json"));
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const std::string text = content(fmt::format("plain_{}.pkl", protocol));
    ASSERT_FALSE(text.empty());
    const Pickle pickle(bytes_of(text));
    EXPECT_EQ(pickle.size(), text.size());
    EXPECT_EQ(pickled_notes(pickle), expected) << protocol;
  }
}

TEST(Pickle, RunsNothing) {
  // pickle.dumps of objects whose __reduce__ gives (os.system, ('id',)) and (eval, ('1',)): kept as they stand.
  for (const auto& [text, module, name, argument] :
       std::vector<std::tuple<std::string, std::string, std::string, std::string>>{
           {raw("\x80\x02"
                "cposix\nsystem\nX\x02\x00\x00\x00id\x85R."),
            "posix", "system", "id"},
           {raw("\x80\x04\x8c\x08"
                "builtins\x8c\x04"
                "eval\x93\x8c\x01"
                "1\x85R."),
            "builtins", "eval", "1"},
           {"(S'id'\niposix\nsystem\n.", "posix", "system", "id"},
           {"(cposix\nsystem\nS'id'\no.", "posix", "system", "id"},
       }) {
    const Pickle pickle(bytes_of(text));
    const auto* object = pickle.get<PickleObject>(pickle.root());
    ASSERT_NE(object, nullptr) << text;
    EXPECT_EQ(object->module, module);
    EXPECT_EQ(object->name, name);
    const auto& arguments = pickle.get<PickleList>(object->arguments)->items;
    ASSERT_EQ(arguments.size(), 1);
    EXPECT_EQ(pickle.text(arguments[0]), argument);
  }
}

TEST(Pickle, KnownCallsThatCannotBeMadeAreObjectsWithTheirProblem) {
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {raw("\x80\x02)Q."), "a storage is not written as expected"},
           {raw("\x80\x02NQ."), "no storage"},
           {raw("\x80\x02"
                "c_codecs\nencode\nX\x02\x00\x00\x00\xc4\x80X\x06\x00\x00\x00latin1\x86R."),
            "beyond latin1"},
           {raw("\x80\x02"
                "cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R."),
            "arrays of type \"O8\" are not supported"},
           {raw("\x80\x02"
                "ctorch._utils\n_rebuild_tensor_v2\n)R."),
            "a tensor is not written as expected (its part 0)"},
       }) {
    const Pickle pickle(bytes_of(text));
    const auto* object = pickle.get<PickleObject>(pickle.root());
    ASSERT_NE(object, nullptr) << testing::PrintToString(text);
    EXPECT_THAT(std::string(object->problem), HasSubstr(expected));
  }
}

TEST(Pickle, DamageIsAnError) {
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "ends in the middle"},
           {raw("\x80\x02"), "ends in the middle"},
           {raw("\x80\x06N."), "protocol 6"},
           {raw("\x80\x02."), "empty stack"},
           {raw("\x80\x02(."), "empty stack"},
           {raw("\x80\x02(N0."), "empty stack"},
           {raw("\x80\x02t."), "lacks a mark"},
           {raw("\x80\x02}Nu."), "lacks a mark"},
           {raw("\x80\x02}(Nu."), "key without a value"},
           {raw("\x80\x02N\x86."), "empty stack"},
           {raw("\x80\x02(N\x86."), "empty stack"},
           {raw("\x80\x02NNa."), "as a list"},
           {raw("\x80\x02]NNs."), "as a dictionary"},
           {raw("\x80\x02h\x07."), "recalls value 7"},
           {raw("\x80\x02X\xff\xff\xff\xff."), "ends in the middle"},
           {raw("\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), "ends in the middle"},
           {raw("\x80\x02o."), "lacks a mark"},
           {raw("\x80\x02(o."), "without a class"},
           {raw("\x80\x05\x97."), "outside of its pickle"},
           {raw("\x80\x02\xff."), "opcode 0xff"},
           {"I12", "middle of a line"},
           {"I1x2\n.", "no number"},
           {"F1,5\n.", "a pickle's number is none"},
           {"S'a\n.", "no quotes"},
           {"S'\\q'\n.", "broken escape"},
           {"V\\u12\n.", "broken escape"},
           {"Np-1\n.", "under no number"},
       }) {
    EXPECT_THAT(error_of(text), HasSubstr(expected)) << testing::PrintToString(text);
  }
}

TEST(Pickle, SmallFilesDoNotGrow) {
  EXPECT_THAT(error_of(raw("\x80\x02") + std::string(2'000'000, 'N')), HasSubstr("more than 1000000 values"));
  EXPECT_THAT(error_of(raw("\x80\x02") + std::string(2'000'000, '(')), HasSubstr("too high"));
  EXPECT_THAT(error_of(raw("\x80\x02N") + std::string(2'000'000, '2')), HasSubstr("too high"));
  EXPECT_THAT(error_of(raw("\x80\x04N") + std::string(2'000'000, '\x94')), HasSubstr("more than 1000000"));
  // The same text as bytes, and the same list as a dictionary, over and over.
  std::string again = raw("\x80\x02X\x00\x01\x00\x00") + std::string(256, 'a') +
                      raw("q\x01X\x06\x00\x00\x00latin1q\x02") + raw("c_codecs\nencode\nq\x03");
  for (int i = 0; i < 100; ++i) again += raw("h\x03h\x01h\x02\x86R0");
  EXPECT_THAT(error_of(again), HasSubstr("again and again"));
  std::string pairs = raw("\x80\x02]q\x01(");
  for (int i = 0; i < 100; ++i) pairs += "NN\x86";
  pairs += raw("e0ccollections\nOrderedDict\nq\x02");
  for (int i = 0; i < 100; ++i) pairs += raw("h\x02h\x01\x85R0");
  EXPECT_THAT(error_of(pairs), HasSubstr("again and again"));
}

TEST(Pickle, AListMayHoldItself) {
  const std::string text =
      raw("\x80\x02]q\x01h\x01"
          "a.");
  const Pickle pickle(bytes_of(text));
  EXPECT_EQ(pickle.get<PickleList>(pickle.root())->items, std::vector{pickle.root()});
}

}  // namespace
}  // namespace convoy
