#include "core/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>

#include "core/world_testing.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// What a rank has of a tensor: numbers whose sum depends on the order in which they are added.
std::vector<float> terms_of(int rank, size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = std::ldexp(1.0F + static_cast<float>(i) / 7, rank * 11 - 9);
  return values;
}

std::vector<float> sum_in_order(int ranks, size_t count) {
  std::vector<float> sum(count, 0.0F);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<float> terms = terms_of(rank, count);
    for (size_t i = 0; i < count; ++i) sum[i] += terms[i];
  }
  return sum;
}

TEST(World, SumsInTheOrderOfRanks) {
  for (const int ranks : {2, 3, 4}) {
    for (const size_t count : {1, 2, 1000}) {
      const std::vector<float> expected = sum_in_order(ranks, count);
      const auto lines = in_world(ranks, [&](World& world) {
        std::vector<float> values = terms_of(world.rank(), count);
        world.sum(values);
        EXPECT_EQ(values, expected) << ranks << " ranks, rank " << world.rank();
      });
      EXPECT_THAT(lines, testing::Each("")) << ranks;
    }
  }
}

TEST(World, SumsTensorsWhileOthersAreMade) {
  in_world(3, [](World& world) {
    std::vector<float> first = terms_of(world.rank(), 100), second = terms_of(world.rank(), 7), third = {1};
    world.begin_sum({first, second});
    world.begin_sum({third});
    world.finish_sum(third.data());
    world.finish_sum(first.data());
    EXPECT_EQ(first, sum_in_order(3, 100));
    EXPECT_EQ(second, sum_in_order(3, 7));
    EXPECT_THAT(third, ElementsAre(3));
    EXPECT_GT(world.bytes_sent(), 0);
  });
}

TEST(World, SendsBf16WhereAsked) {
  in_world(2, [](World& world) {
    world.send_bf16(true);
    // 1 + 2^-8 lies between two bf16 and goes to the even one, 1; 1 + 3 * 2^-8 to 1 + 4 * 2^-8.
    std::vector<float> values{1 + std::ldexp(1.0F, -8), 1 + std::ldexp(3.0F, -8), NAN};
    const int64_t before = world.bytes_sent();
    world.begin_sum({values});
    world.finish_sum(values.data());
    EXPECT_EQ(values[0], 2);
    EXPECT_EQ(values[1], 2 + std::ldexp(8.0F, -8));
    EXPECT_TRUE(std::isnan(values[2]));
    EXPECT_EQ(world.bytes_sent() - before, 6);
  });
}

TEST(World, BroadcastsAndGathers) {
  in_world(3, [](World& world) {
    std::vector<float> values(10, static_cast<float>(world.rank() + 5));
    world.broadcast(std::as_writable_bytes(std::span(values)));
    EXPECT_THAT(values, testing::Each(5));
    const std::string own(static_cast<size_t>(world.rank()) * 3, static_cast<char>('a' + world.rank()));
    EXPECT_THAT(world.gather(own), ElementsAre("", "bbb", "cccccc"));
    EXPECT_THAT(gather_all(world, std::span<const int>(std::vector<int>(2, world.rank()))),
                ElementsAre(0, 0, 1, 1, 2, 2));
    EXPECT_EQ(world.ranks_here(), 3);
  });
}

TEST(World, OneRankNamesTheOneThatFailed) {
  for (const int culprit : {0, 1, 2}) {
    const auto lines = in_world(3, [&](World& world) {
      if (world.rank() == culprit) throw Error("cat.jpg: no image");
      std::vector<double> values{1};
      world.sum(values);
      FAIL() << "rank " << world.rank() << " went on";
    });
    for (int rank = 0; rank < 3; ++rank) {
      const std::string& line = lines[static_cast<size_t>(rank)];
      if (rank != culprit) {
        EXPECT_EQ(line, "") << rank;
      } else {
        EXPECT_THAT(line, StartsWith("rank " + std::to_string(rank) + " ("));
        EXPECT_THAT(line, HasSubstr("): cat.jpg: no image"));
      }
    }
  }
}

TEST(World, OfRanksThatFailAtOnceOnePrints) {
  const auto lines = in_world(4, [](World&) { throw Error("data: none such"); });
  EXPECT_EQ(std::ranges::count(lines, std::string()), 3) << testing::PrintToString(lines);
}

TEST(World, ARankThatFallsSilentIsNamed) {
  const auto mail = std::make_shared<ThreadMail>();
  std::atomic<bool> is_over = false;
  const auto begin = std::chrono::steady_clock::now();
  // Rank 2 takes part up to the start and then hangs, its messages unsent.
  class Stopping : public ThreadTransport {
   public:
    Stopping(std::shared_ptr<ThreadMail> mail, std::atomic<bool>& is_over)
        : ThreadTransport(std::move(mail), 2, 3), is_over_(is_over) {}
    int send(int to, int tag, std::span<const std::byte> message) override {
      while (stopped && !is_over_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return ThreadTransport::send(to, tag, message);
    }
    std::atomic<bool> stopped = false;

   private:
    std::atomic<bool>& is_over_;
  };
  std::vector<std::string> lines(3);
  std::jthread hanging([&] {
    auto transport = std::make_unique<Stopping>(mail, is_over);
    Stopping& handle = *transport;
    World world(std::move(transport), 1.5);
    handle.stopped = true;
    while (!is_over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    try {
      std::vector<double> values{1};
      world.sum(values);
    } catch (const Error& error) {
      lines[2] = world.fail(error.what()).value_or("");
    }
  });
  {
    std::vector<std::jthread> others;
    for (const int rank : {0, 1}) {
      others.emplace_back([&, rank] {
        World world(std::make_unique<ThreadTransport>(mail, rank, 3), 1.5);
        try {
          std::vector<double> values{1};
          world.sum(values);
          ADD_FAILURE() << "rank " << rank << " went on";
        } catch (const Error& error) {
          lines[static_cast<size_t>(rank)] = world.fail(error.what()).value_or("");
        }
      });
    }
  }
  is_over = true;
  hanging.join();
  EXPECT_THAT(lines[0], StartsWith("rank 2 ("));
  EXPECT_THAT(lines[0], HasSubstr("no sign of life for"));
  EXPECT_EQ(lines[1], "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
}

}  // namespace
}  // namespace convoy
