// `convoy find-lr` as a user runs it.
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/support/process.h"
#include "tests/support/train_cli.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class FindLrCli : public TrainCli {};

TEST_F(FindLrCli, ShowsTheLossOfEveryRate) {
  const std::vector<std::string> words = {"find-lr", "photos",    "--model", "resnet9",   "--img-size",
                                          "32",      "-b",        "4",       "--updates", "30",
                                          "--csv",   "curve.csv", "--chart", "curve.svg"};
  fs::create_directory(folder_ / "photos.png");
  const Finished found = run_convoy(words, options_);
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("        lr       loss   smoothed\n"));
  EXPECT_THAT(found.out, testing::AnyOf(HasSubstr("\ntry --lr "), HasSubstr("\nno advice: ")));
  EXPECT_THAT(text_of(folder_ / "curve.csv"), StartsWith("lr,loss,smoothed_loss\n1e-07,"));
  EXPECT_GT(lines_in(folder_ / "curve.csv"), 10);
  EXPECT_THAT(text_of(folder_ / "curve.svg"), HasSubstr("</svg>"));
  expect_refused(run_convoy({"find-lr", "photos", "--model", "resnet9", "--chart", "curve.gif"}, options_), 2,
                 "convoy find-lr: curve.gif: expected a name that ends in .png or .svg");
  expect_refused(
      run_convoy({"find-lr", "photos", "--model", "resnet9", "--csv", "nowhere/curve.csv"}, options_), 1,
      "convoy find-lr: nowhere/curve.csv: cannot create the temporary file nowhere/curve.csv.tmp: No such file "
      "or directory");
  expect_refused(run_convoy({"find-lr", "photos", "--model", "resnet9", "--chart", "photos.png"}, options_), 1,
                 "convoy find-lr: photos.png: is a folder; name a file");
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  expect_refused(run_convoy({"find-lr", "photos", "--model", "resnet9", "--first-lr", "5", "--last-lr", "1"}, options_),
                 2, "convoy find-lr: learning rates: expected 0 < first < last <= 1000, got 5 and 1");
}

TEST_F(FindLrCli, HasTheFlagsThatMatter) {
  const std::vector<std::string> words = {"find-lr", "photos", "--model", "resnet9", "--img-size", "32", "-b", "4"};
  const auto find_lr = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = words;
    all.insert(all.end(), more.begin(), more.end());
    return run_convoy(all, options_);
  };
  for (const char* flag : {"--lr", "--epochs", "--sched", "--progressive-stages", "--output", "--patience"}) {
    expect_refused(find_lr({flag, "1"}), 2, std::string("convoy find-lr: unknown flag '") + flag + "'");
  }
  const Finished few =
      find_lr({"--updates", "5", "--last-lr", "1e-3", "--opt", "adamw", "--hflip", "0", "--std", "1,1,1"});
  EXPECT_EQ(few.code, 0) << few.err;
  EXPECT_THAT(few.out, testing::EndsWith("\nno advice: 5 points are too few; try --updates 20\n"));
}

TEST_F(FindLrCli, SaysThatItSweepsWhatIsFrozenAtFirst) {
  std::ofstream(folder_ / "frozen.toml") << "freeze = \"all-but-head\"\nunfreeze-after = 2\n";
  const Finished found = run_convoy({"find-lr", "photos", "--model", "resnet9", "--img-size", "32", "-b", "4",
                                     "--updates", "5", "--recipe", "frozen.toml"},
                                    options_);
  EXPECT_EQ(found.code, 0) << found.err;
  EXPECT_THAT(found.out, StartsWith("swept as the run begins: all-but-head stays frozen for 2 epochs\n"));
}

TEST_F(FindLrCli, CtrlCEndsIt) {
  Finished stopped;
  for (const int wait : {100, 1000, 10000}) {  // until it listens
    Process find_lr({"find-lr", "photos", "--model", "resnet9", "--img-size", "32", "-b", "4", "--updates", "1000000",
                     "--last-lr", "1e-6", "--csv", "curve.csv"},
                    options_);
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    find_lr.send(SIGINT);
    stopped = find_lr.wait();
    if (stopped.code != -SIGINT) break;
  }
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.out, testing::MatchesRegex("stopped after [0-9]+ of 1000000 updates\n"));
  EXPECT_FALSE(fs::exists(folder_ / "curve.csv"));
}

}  // namespace
}  // namespace convoy
