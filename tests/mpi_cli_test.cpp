// `mpirun convoy train`: several processes that train one network.
#include <signal.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "tests/support/train_cli.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

#if !defined(CONVOY_MPIEXEC)
constexpr const char* kMpiexec = "";
#else
constexpr const char* kMpiexec = CONVOY_MPIEXEC;
#endif

class MpiCli : public TrainCli {
 protected:
  MpiCli() {
    options_.program = kMpiexec;
    options_.environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                            {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                            {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                            {"LSAN_OPTIONS", "detect_leaks=0"},  // MPI's own
                            {"CONVOY_THREADS", "1"}};
  }

  void SetUp() override {
    if (options_.program.empty()) GTEST_SKIP() << "this build has no MPI: install libopenmpi-dev or libmpich-dev";
  }

  static std::vector<std::string> on_ranks(int ranks, const std::vector<std::string>& more) {
    std::vector<std::string> words{"-np", std::to_string(ranks), CONVOY_BINARY};
    const std::vector<std::string> command = arguments(more);
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }

  Finished mpirun(int ranks, const std::vector<std::string>& more) {
    return run_convoy(on_ranks(ranks, more), options_);
  }

  Finished alone(const std::vector<std::string>& more) {
    ProcessOptions options = options_;
    options.program.clear();
    return run_convoy(arguments(more), options);
  }

  // The processes of the ranks that train in this folder, by rank.
  std::map<int, pid_t> ranks() const {
    std::map<int, pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string pid = entry.path().filename();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      std::error_code gone;
      if (fs::read_symlink(entry.path() / "cwd", gone) != fs::canonical(folder_.path())) continue;
      const std::string environment = text_of(entry.path() / "environ");
      const std::string key = std::string(1, '\0') + "OMPI_COMM_WORLD_RANK=";
      if (const size_t at = environment.find(key); at != std::string::npos) {
        found[std::stoi(environment.substr(at + key.size()))] = static_cast<pid_t>(std::stoi(pid));
      }
    }
    return found;
  }

  void wait_for_file(const fs::path& file) const {
    for (int i = 0; i < 1200 && !fs::exists(folder_.path() / file); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_TRUE(fs::exists(folder_.path() / file)) << file;
  }

  std::string weights(const std::string& experiment) const {
    return text_of(folder_.path() / "runs" / experiment / "last.safetensors");
  }
};

const std::vector<std::string> kLong{"--epochs", "100000", "--experiment", "run", "--checkpoint-interval", "1"};

TEST_F(MpiCli, TwoRanksTrainAsOneProcessInSlices) {
  const Finished together = mpirun(2, {"--val-split", "0.3", "--epochs", "2"});
  ASSERT_EQ(together.code, 0) << together.err;
  EXPECT_THAT(together.out, HasSubstr("run folder: runs/run"));
  EXPECT_EQ(together.out.find("run folder"), together.out.rfind("run folder")) << "rank 0 alone prints";
  const Finished slices = alone({"--val-split", "0.3", "--epochs", "2", "--slices", "2", "--experiment", "alone"});
  ASSERT_EQ(slices.code, 0) << slices.err;
  ASSERT_FALSE(weights("run").empty());
  EXPECT_TRUE(weights("run") == weights("alone"));
}

TEST_F(MpiCli, TheSameSlicesGiveTheSameBitsOnAnyNumberOfRanks) {
  const std::vector<std::string> four{"--val-split", "0.3", "--epochs", "2", "--slices", "4", "--experiment"};
  const auto named = [&](const std::string& experiment) {
    std::vector<std::string> flags = four;
    flags.push_back(experiment);
    return flags;
  };
  for (const int count : {2, 4}) {
    const Finished together = mpirun(count, named(std::to_string(count)));
    ASSERT_EQ(together.code, 0) << together.err;
  }
  const Finished slices = alone(named("1"));
  ASSERT_EQ(slices.code, 0) << slices.err;
  ASSERT_FALSE(weights("1").empty());
  EXPECT_TRUE(weights("2") == weights("1"));
  EXPECT_TRUE(weights("4") == weights("1"));
}

TEST_F(MpiCli, WhereDecodedImagesAreKeptChangesNothing) {
  for (const char* cache : {"ram", "disk", "none"}) {
    const Finished trained = mpirun(2, {"--val-split", "0.3", "--epochs", "3", "--workers", "2", "--cache", cache,
                                        "--cache-dir", "images", "--experiment", cache});
    ASSERT_EQ(trained.code, 0) << trained.err;
  }
  ASSERT_FALSE(weights("ram").empty());
  EXPECT_TRUE(weights("disk") == weights("ram"));
  EXPECT_TRUE(weights("none") == weights("ram"));
  int64_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "images")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(entry.path().extension(), ".pixels");
    ++files;
  }
  EXPECT_EQ(files, 20) << "each image once, whoever decoded it";
}

TEST_F(MpiCli, FourRanksOfWhichOneIsKilledGoOnWithResume) {
  Process process(on_ranks(4, kLong), options_);
  wait_for_file("runs/run/state-b.safetensors");
  const std::map<int, pid_t> running = ranks();
  ASSERT_EQ(running.size(), 4U);
  const auto begin = std::chrono::steady_clock::now();
  kill(running.at(2), SIGKILL);
  const Finished killed = process.wait();
  EXPECT_NE(killed.code, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_THAT(ranks(), testing::IsEmpty()) << "no process is left";
  const Finished resumed = mpirun(4, {"--resume", "--max-updates", "1", "--epochs", "100000"});
  EXPECT_THAT(resumed.err, Not(HasSubstr("damaged")));
  EXPECT_THAT(resumed.err, HasSubstr("max-updates: expected more than the ")) << resumed.out;
}

TEST_F(MpiCli, ARankThatHangsIsNamed) {
  Process process(on_ranks(3, kLong), options_);
  wait_for_file("runs/run/state-b.safetensors");
  const std::map<int, pid_t> running = ranks();
  ASSERT_EQ(running.size(), 3U);
  const auto begin = std::chrono::steady_clock::now();
  kill(running.at(1), SIGSTOP);
  const Finished hung = process.wait();
  EXPECT_NE(hung.code, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_THAT(hung.err, HasSubstr("convoy train: rank 1 ("));
  EXPECT_THAT(hung.err, HasSubstr("no sign of life for "));
  EXPECT_THAT(ranks(), testing::IsEmpty()) << "no process is left";
}

TEST_F(MpiCli, ARankWhoseDiskDoesNotAnswerSaysSo) {
  std::vector<std::string> words = kLong;
  words.insert(words.end(), {"--cache", "none"});
  Process process(on_ranks(2, words), options_);
  wait_for_file("runs/run/state-a.safetensors");
  for (const auto& image : fs::recursive_directory_iterator(folder_.path() / "photos")) {
    if (!image.is_regular_file()) continue;
    fs::remove(image);
    ASSERT_EQ(mkfifo(image.path().c_str(), 0600), 0);  // to be read where somebody writes
  }
  const auto begin = std::chrono::steady_clock::now();
  const Finished hung = process.wait();
  EXPECT_NE(hung.code, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_THAT(hung.err, HasSubstr("): has done nothing for 15 s"));
  EXPECT_THAT(ranks(), testing::IsEmpty()) << "no process is left";
}

TEST_F(MpiCli, ASignalStopsAllAndSaves) {
  for (const int signal : {SIGUSR1, SIGTERM}) {
    const std::string name = "run" + std::to_string(signal);
    std::vector<std::string> words = kLong;
    words.insert(words.end(), {"--experiment", name});
    Process process(on_ranks(2, words), options_);
    wait_for_file("runs/" + name + "/state-a.safetensors");
    // As mpirun passes it on; to one rank alone is enough.
    kill(ranks().at(1), signal);
    const Finished stopped = process.wait();
    EXPECT_THAT(stopped.out, HasSubstr("stopped and saved in runs/" + name)) << stopped.err;
  }
}

TEST_F(MpiCli, ABadImageOfOneRankIsNamedByIt) {
  std::ofstream(first_image("cat")) << "a letter, not a photo";
  const Finished finished = mpirun(3, {});
  EXPECT_NE(finished.code, 0);
  const std::string start = "convoy train: rank ";
  const size_t line = finished.err.find(start);
  ASSERT_NE(line, std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find(start, line + 1), std::string::npos) << finished.err;
  EXPECT_THAT(finished.err.substr(line), HasSubstr("photos/cat/" + first_image("cat").filename().string()));
}

TEST_F(MpiCli, ProcessesThatCannotReachEachOtherDoNotTrain) {
  // As srun starts them where it knows no MPI.
  ProcessOptions options = options_;
  options.program.clear();
  options.environment.push_back({"SLURM_STEP_NUM_TASKS", "3"});
  const Finished finished = run_convoy(arguments({}), options);
  EXPECT_EQ(finished.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("convoy train: 3 processes were started together, but MPI knows of 1"));
  EXPECT_FALSE(fs::exists(folder_.path() / "runs"));
}

}  // namespace
}  // namespace convoy
