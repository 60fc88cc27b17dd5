// Training, evaluating and predicting as a user does, and every mistake that a user makes: each gets one line that
// names the culprit, an exit code, and nothing lost.
#include "tests/support/train_cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/support/process.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(TrainCli, ARunFolderHasAllThatAUserNeeds) {
  const Finished trained = train({"--val-split", "0.2", "--epochs", "2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.err, "");
  EXPECT_THAT(trained.out, HasSubstr("[Train][Epoch 2/2][Iter: 4/4]"));
  EXPECT_THAT(trained.out, HasSubstr("run folder: runs/run\n"));

  const fs::path run = folder_ / "runs/run";
  EXPECT_THAT(text_of(run / "recipe.toml"), HasSubstr("model = 'resnet9'"));
  EXPECT_THAT(text_of(run / "command.txt"), HasSubstr("train photos --model resnet9"));
  EXPECT_THAT(text_of(run / "results.csv"), StartsWith("epoch,lr,train_loss,"));
  EXPECT_EQ(lines_in(run / "results.csv"), 3);
  EXPECT_TRUE(fs::exists(run / "best.safetensors"));
  EXPECT_TRUE(fs::exists(run / "last.safetensors"));
  const auto is_events = [](const fs::directory_entry& entry) {
    return entry.path().filename().string().starts_with("events.out.tfevents.");
  };
  EXPECT_EQ(std::count_if(fs::directory_iterator(run), fs::directory_iterator(), is_events), 1);
}

// The same images in a folder, in shards of class folders, and in WebDataset's shards.
TEST_F(TrainCli, ShardsTrainAndEvaluateAsTheirFolder) {
  const std::string pack =
      "cd " + folder_.path().string() + R"( && mkdir samples && printf 'cat\ndog\n' > samples/classnames.txt
for image in photos/*/*; do
  name=${image#photos/}; key=samples/${name%%/*}_$(basename ${name%.*})
  cp $image $key.${name##*.}; case $name in cat/*) echo 0;; *) echo 1;; esac > $key.cls
done
for shard in 0 1; do
  (cd photos && ls -d */* | awk NR%2==$shard | tar -cf ../photos-$shard.tar -T -)
  (cd samples && ls *.cls | awk NR%2==$shard | sed 's/cls$//' | while read key; do ls $key*; done | tar -cf samples-$shard.tar -T -)
done)";
  ASSERT_EQ(std::system(pack.c_str()), 0);
  const std::string shards = "photos-{0..1}.tar", samples = "samples/samples-{0..1}.tar";
  const Finished trained = train({"--val", samples, "--epochs", "2"}, shards);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.err, "");
  const auto evaluation = [&](const std::string& data) {
    const Finished evaluated =
        run_convoy({"eval", data, "--checkpoint", "runs/run", "--split", "train", "--json"}, options_);
    EXPECT_EQ(evaluated.code, 0) << evaluated.err;
    return json::parse(evaluated.out);
  };
  const json expected = evaluation("photos");
  EXPECT_EQ(expected["images"], 20);
  for (const std::string& data : {shards, samples, std::string("samples")}) {
    const json got = evaluation(data);
    for (const char* figure : {"images", "top1", "loss", "confusion"}) {
      EXPECT_EQ(got[figure], expected[figure]) << data << ": " << figure;
    }
  }
  const Finished checked = run_convoy({"data", "check", shards}, options_);
  EXPECT_EQ(checked.code, 0) << checked.out << checked.err;
  expect_refused(train({"--experiment", "more"}, "photos-{0..2}.tar"), 1,
                 "convoy train: photos-2.tar: no such file, expected because it is a shard of photos-{0..2}.tar\n");
  expect_refused(train({"--experiment", "more"}, "photos-{2..0}.tar"), 2,
                 "convoy train: photos-{2..0}.tar: expected a range of shards such as {0000..0127}, ");
}

TEST_F(TrainCli, WhatWasTrainedEvaluatesAndPredicts) {
  ASSERT_EQ(train({}).code, 0);
  const Finished evaluated = run_convoy({"eval", "photos", "--json"}, options_);
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const json evaluation = json::parse(evaluated.out);
  EXPECT_EQ(evaluation["images"], 20);
  EXPECT_EQ(evaluation["classes"][1]["class"], "dog");
  int64_t right = 0;
  for (size_t label = 0; label < 2; ++label) right += evaluation["confusion"][label][label].get<int64_t>();
  EXPECT_NEAR(evaluation["top1"], static_cast<double>(right) / 20, 1e-9);

  const std::string image = first_image("cat").string();
  const Finished predicted = run_convoy({"predict", image, "photos/dog", "--json"}, options_);
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_EQ(std::ranges::count(predicted.out, '\n'), 11);
  const json first = json::parse(predicted.out.substr(0, predicted.out.find('\n')));
  EXPECT_EQ(first["image"], image);
  const json& classes = first["classes"];
  ASSERT_EQ(classes.size(), 2U);
  EXPECT_NEAR(classes[0]["probability"].get<double>() + classes[1]["probability"].get<double>(), 1, 1e-6);
  EXPECT_GE(classes[0]["probability"], classes[1]["probability"]);

  std::ofstream(folder_ / "broken.jpg") << "no image";
  const Finished partly = run_convoy({"predict", "broken.jpg", image, "--checkpoint", "runs/run"}, options_);
  expect_refused(partly, 1, "convoy predict: broken.jpg: ");
  EXPECT_THAT(partly.out, StartsWith(image + ":  "));
  std::ofstream(folder_ / "wor\nse.jpg") << "no image";
  const Finished less = run_convoy({"predict", "broken.jpg", image, "wor\nse.jpg"}, options_);
  EXPECT_EQ(less.code, 1);
  EXPECT_THAT(less.err, testing::MatchesRegex("convoy predict: broken.jpg: .*\nconvoy predict: wor.se.jpg: .*\n"));
  EXPECT_EQ(std::ranges::count(less.err, '\n'), 2) << less.err;
}

TEST_F(TrainCli, TheModelThatWasPickedIsNamed) {
  ASSERT_EQ(train({}).code, 0);
  const std::string file = "runs/run/best.safetensors", image = first_image("cat").string();
  EXPECT_THAT(run_convoy({"predict", image}, options_).out, StartsWith("model: " + file + "\n" + image + ":  "));
  EXPECT_THAT(run_convoy({"eval", "photos"}, options_).out, StartsWith("model: " + file + "\nevaluated: "));
  EXPECT_THAT(run_convoy({"eval", "runs/run", "photos"}, options_).out, StartsWith("evaluated: "));
  // A run whose file appears while the photos are evaluated.
  fs::create_directories(folder_ / "runs/later");
  fs::create_symlink("../../charts/reliability.png", folder_ / "runs/later/best.safetensors");
  const Finished evaluated = run_convoy({"eval", "photos", "--json", "--output", "charts"}, options_);
  EXPECT_TRUE(fs::exists(folder_ / "runs/later/best.safetensors"));
  EXPECT_EQ(json::parse(evaluated.out)["checkpoint"], file);
}

// The options of the architecture live in the recipe and the model file.
TEST_F(TrainCli, ANetworkWithOptionsComesBackAsItWas) {
  const std::vector<std::string> options = {"--model", "asymmnet_small", "--width", "0.35", "--asymmetry-rate",
                                            "0",       "--acnet"};
  ASSERT_EQ(train(options).code, 0);
  const std::string recipe = text_of(folder_ / "runs/run/recipe.toml");
  EXPECT_THAT(recipe, HasSubstr("width = 0.35"));
  EXPECT_THAT(recipe, HasSubstr("asymmetry-rate = 0"));
  EXPECT_THAT(recipe, HasSubstr("acnet = true"));

  const Finished evaluated = run_convoy({"eval", "photos", "--json"}, options_);
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  const Finished predicted = run_convoy({"predict", first_image("cat").string()}, options_);
  EXPECT_EQ(predicted.code, 0) << predicted.err;

  expect_refused(train({"--model", "asymmnet_small", "--epochs", "2", "--resume"}), 2, "convoy train: ");
  std::vector<std::string> further = options;
  further.insert(further.end(), {"--epochs", "2", "--resume"});
  const Finished resumed = train(further);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(lines_in(folder_ / "runs/run/results.csv"), 3);
}

TEST_F(TrainCli, EveryAugmentationAtOnceFromAnArchive) {
  ASSERT_EQ(std::system(("tar -cf " + (folder_ / "photos.tar") + " -C " + folder_.path().string() + " photos").c_str()),
            0);
  const std::vector<std::string> all{"--val-split",    "0.2",
                                     "--scale",        "0.6,1",
                                     "--vflip",        "0.5",
                                     "--rotate",       "20",
                                     "--aa",           "rand-m9-mstd0.5-inc1",
                                     "--color-jitter", "0.2,0.2,0.2,0.1",
                                     "--reprob",       "0.5",
                                     "--remode",       "pixel",
                                     "--recount",      "2",
                                     "--mixup",        "0.8",
                                     "--cutmix",       "1",
                                     "--mixup-mode",   "elem",
                                     "--mixup-prob",   "0.9"};
  const Finished trained = train(all, "photos.tar");
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::vector<std::string> tutorial{
      "--color-jitter", "0.2",     "--mixup",         "1.5",
      "--scale",        "0.6,1",   "--reprob",        "0.5",
      "--rotate",       "20",      "--augment-order", "color-jitter,crop,erase,hflip,rotate,vflip,aa",
      "--experiment",   "tutorial"};
  EXPECT_EQ(train(tutorial, "photos.tar").code, 0);
  EXPECT_EQ(run_convoy({"eval", "photos.tar", "--checkpoint", "runs/run"}, options_).code, 0);
  expect_refused(train({"--aa", "rand-z1"}), 2, "convoy train: aa: rand has no setting 'z'");
}

TEST_F(TrainCli, ImagesThatAreNotThere) {
  fs::create_directories(folder_ / "empty");
  fs::create_directories(folder_ / "holes/cat");
  fs::copy(folder_ / "photos/dog", folder_ / "holes/dog");
  expect_refused(train({}, "missing"), 1, "convoy train: missing: ");
  expect_refused(train({}, "empty"), 1, "convoy train: empty: ");
  expect_refused(train({}, "holes"), 1, "convoy train: holes/cat: ");
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(TrainCli, ImagesThatAreDamaged) {
  const fs::path truncated = first_image("cat");
  fs::resize_file(truncated, 300);
  const std::string name = "photos/cat/" + truncated.filename().string();
  expect_refused(train({}), 1, "convoy train: " + name + ": ");

  const Finished skipped = train({"--on-bad-image=skip", "--experiment", "skipping"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.out, HasSubstr("skipped " + name));

  std::ofstream(truncated) << "a letter, not a photo";
  expect_refused(train({"--experiment", "mislabelled"}), 1, "convoy train: " + name + ": ");
}

TEST_F(TrainCli, ClassesThatDiffer) {
  fs::copy(folder_ / "photos", folder_ / "other", fs::copy_options::recursive);
  fs::rename(folder_ / "other/dog", folder_ / "other/wolf");
  const Finished finished = train({"--val", "other"});
  expect_refused(finished, 1, "convoy train: ");
  EXPECT_THAT(finished.err, HasSubstr("other has classes that photos lacks: wolf"));
}

TEST_F(TrainCli, NamesThatAreUnknown) {
  expect_refused(train({"--model", "resnet99"}), 2, "convoy train: unknown model 'resnet99' (did you mean 'resnet9'?)");
  expect_refused(train({"--epoch", "2"}), 2, "convoy train: unknown flag '--epoch' (did you mean '--epochs'?)");
  expect_refused(train({"--opt", "sdg"}), 2, "convoy train: --opt: ");
  expect_refused(train({"--lr", "fast"}), 2, "convoy train: --lr: ");
  std::ofstream(folder_ / "recipe.toml") << "batchsize = 8\n";
  expect_refused(train({"--recipe", "recipe.toml"}), 2,
                 "convoy train: recipe.toml:1: unknown key 'batchsize' (did you mean 'batch-size'?)");
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(TrainCli, ABatchThatNoMemoryHolds) {
  const Finished finished = train({"--img-size", "16384", "--batch-size", "16"});
  expect_refused(finished, 1, "convoy train: memory: resnet9 at batch size 16 and image size 16384 needs at least ");
}

TEST_F(TrainCli, ALossThatIsNotFinite) {
  const Finished finished =
      train({"--opt", "sgd", "--lr", "1000", "--warmup-epochs", "20", "--no-sched-on-updates", "--epochs", "30"});
  expect_refused(finished, 1, "convoy train: ");
  EXPECT_THAT(finished.err, HasSubstr("step"));
  EXPECT_EQ(run_convoy({"eval", "photos", "--checkpoint", "runs/run/last.safetensors"}, options_).code, 0);
}

TEST_F(TrainCli, ModelFilesThatAreDamagedOrForeign) {
  ASSERT_EQ(train({}).code, 0);
  const fs::path file = folder_ / "runs/run/best.safetensors";
  const auto eval = [&] { return run_convoy({"eval", "photos", "--checkpoint", file.string()}, options_); };
  const std::string start = "convoy eval: " + file.string() + ": ";
  fs::resize_file(file, fs::file_size(file) - 7);
  expect_refused(eval(), 1, start);
  fs::resize_file(file, 5);
  expect_refused(eval(), 1, start);
  std::ofstream(file) << "PK\x03\x04, says another program's file, which is long enough to have a header";
  expect_refused(eval(), 1, start);
  fs::remove(file);
  expect_refused(eval(), 1, start);
}

TEST_F(TrainCli, AFlagOverrulesTheEnvironmentThatTheRecipe) {
  std::ofstream(folder_ / "recipe.toml") << "opt = 'sgd'\nlr = 0.25\nmomentum = 0.5\nweight-decay = 0.125\n";
  options_.environment = {{"CONVOY_MOMENTUM", "0.75"}, {"CONVOY_WEIGHT_DECAY", "0.0625"}};
  ASSERT_EQ(train({"--recipe", "recipe.toml", "--weight-decay", "0.03125"}).code, 0);
  const std::string settled = text_of(folder_ / "runs/run/recipe.toml");
  EXPECT_THAT(settled, HasSubstr("\nlr = 0.25\n"));
  EXPECT_THAT(settled, HasSubstr("\nmomentum = 0.75\n"));
  EXPECT_THAT(settled, HasSubstr("\nweight-decay = 0.03125\n"));
}

TEST_F(TrainCli, AFullDiskLosesNothing) {
  ASSERT_EQ(train({"--epochs", "1"}).code, 0);
  options_.file_limit = 1 << 20;
  const Finished full = train({"--epochs", "3", "--resume"});
  expect_refused(full, 1, "convoy train: runs/run/");
  for (const auto& entry : fs::directory_iterator(folder_ / "runs/run")) {
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
  options_.file_limit = 0;
  EXPECT_EQ(run_convoy({"eval", "photos"}, options_).code, 0);
  const Finished resumed = train({"--epochs", "3", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(lines_in(folder_ / "runs/run/results.csv"), 4);
}

TEST_F(TrainCli, AnExistingRunIsNotOverwritten) {
  ASSERT_EQ(train({}).code, 0);
  const std::string results = text_of(folder_ / "runs/run/results.csv");
  expect_refused(train({}), 2, "convoy train: runs/run already holds a run; ");
  EXPECT_EQ(text_of(folder_ / "runs/run/results.csv"), results);
}

TEST_F(TrainCli, ARunThatCannotGoOnIsLeftAsItIs) {
  ASSERT_EQ(train({"--epochs", "3"}).code, 0);
  const std::string best = text_of(folder_ / "runs/run/best.safetensors");
  const std::string results = text_of(folder_ / "runs/run/results.csv");
  expect_refused(train({"--epochs", "2", "--resume"}), 2,
                 "convoy train: epochs: expected more than the 3 that the run in runs/run has done, got 2\n");
  for (const char* state : {"state-a.safetensors", "state-b.safetensors"})
    fs::remove(fs::path(folder_ / "runs/run") / state);
  expect_refused(train({"--epochs", "1", "--resume"}), 2,
                 "convoy train: runs/run: cannot resume: state-a.safetensors ");
  EXPECT_EQ(text_of(folder_ / "runs/run/best.safetensors"), best);
  EXPECT_EQ(text_of(folder_ / "runs/run/results.csv"), results);
  EXPECT_EQ(lines_in(folder_ / "runs/run/command.txt"), 1);
}

TEST_F(TrainCli, UnnamedRunsThatBeginAtOnce) {
  std::vector<std::string> words = arguments({});
  words.resize(words.size() - 2);  // without --experiment
  Process one(words, options_), two(words, options_), three(words, options_);
  std::set<std::string> folders;
  for (Process* process : {&one, &two, &three}) {
    const Finished finished = process->wait();
    EXPECT_EQ(finished.code, 0) << finished.err;
    folders.insert(finished.out.substr(finished.out.find("run folder: ")));
  }
  EXPECT_THAT(folders, testing::ElementsAre("run folder: runs/resnet9\n", "run folder: runs/resnet9-2\n",
                                            "run folder: runs/resnet9-3\n"));
}

TEST_F(TrainCli, ALimitOfTimeStopsAndSaysHowToGoOn) {
  const Finished stopped = train({"--time", "0.000001"});
  EXPECT_EQ(stopped.code, 0) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("stopped after 1e-06 min and saved in runs/run; the same command with --resume"));
  EXPECT_THAT(train({"--resume"}).out, HasSubstr("resuming runs/run at epoch 1, step 1\n"));
}

TEST_F(TrainCli, ATargetThatIsNotReachedLeavesNoBestFile) {
  const Finished trained = train({"--val-split", "0.2", "--save-best-above", "1"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr("no accuracy was above 1, so there is no best.safetensors; the best was 0."));
  EXPECT_FALSE(fs::exists(folder_ / "runs/run/best.safetensors"));
  EXPECT_THAT(run_convoy({"eval", "runs/run"}, options_).err, StartsWith("note: runs/run has no best.safetensors; "));
  EXPECT_THAT(run_convoy({"eval"}, options_).out, StartsWith("model: runs/run/last.safetensors\n"));
  const Finished reached =
      train({"--val-split", "0.2", "--save-best-above", "0", "--epochs", "8", "--experiment", "r"});
  EXPECT_THAT(reached.out, HasSubstr(": saved best.safetensors\n"));
}

TEST_F(TrainCli, ImagesThatGrowAndPatience) {
  const Finished trained = train({"--val-split", "0.2", "--epochs", "4", "--progressive-stages", "2",
                                  "--progressive-img-size", "24", "--lr", "0", "--patience", "2"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr("from epoch 1: image size 24\n"));
  EXPECT_THAT(trained.out, HasSubstr("from epoch 3: image size 32\n"));
}

TEST_F(TrainCli, FineTuningInTwoPhases) {
  const Finished trained =
      train({"--val-split", "0.2", "--epochs", "2", "--freeze", "all-but-head", "--unfreeze-after", "1"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr(" M parameters (all-but-head) for 1 epochs\n"));
  EXPECT_THAT(trained.out, HasSubstr("from epoch 1: all-but-head frozen\n"));
  EXPECT_THAT(trained.out, HasSubstr("from epoch 2: nothing frozen\n"));
}

TEST_F(TrainCli, RecipesWithTwoMeanings) {
  expect_refused(train({"--opt", "adam", "--nesterov"}), 2, "convoy train: nesterov: adam does not have it");
  expect_refused(train({"--sched", "onecycle", "--warmup-epochs", "3"}), 2, "convoy train: warmup-epochs: expected 0");
  expect_refused(train({"--progressive-stages", "3"}), 2, "convoy train: progressive-stages: 3 stages of what?");
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

class TrainInterrupted : public TrainCli {
 protected:
  // A run that would last for long.
  std::vector<std::string> endless() const { return arguments({"--epochs", "100000", "--resume"}); }

  void wait_for_rows(int64_t rows) const {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (lines_in(folder_ / "runs/run/results.csv") < rows + 1) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit) << "no epoch was finished";
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
};

TEST_F(TrainInterrupted, CtrlCSavesAndResumeGoesOn) {
  Process first(endless(), options_);
  wait_for_rows(2);
  first.send(SIGINT);
  const Finished stopped = first.wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("stopped and saved in runs/run; the same command with --resume goes on"));
  EXPECT_EQ(run_convoy({"eval", "photos"}, options_).code, 0);

  const int64_t rows = lines_in(folder_ / "runs/run/results.csv") - 1;
  Process second(endless(), options_);
  wait_for_rows(rows + 1);
  second.send(SIGINT);
  const Finished resumed = second.wait();
  EXPECT_EQ(resumed.code, 130) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resuming runs/run at epoch "));
  // Rows are numbered without a gap or a repetition.
  std::ifstream results(folder_ / "runs/run/results.csv");
  std::string line;
  std::getline(results, line);
  for (int64_t epoch = 1; std::getline(results, line); ++epoch) EXPECT_EQ(std::stoll(line), epoch);
}

// The kernel and the shell both send one where a terminal goes away.
TEST_F(TrainInterrupted, AHangupSavesAsWell) {
  Process run(endless(), options_);
  wait_for_rows(1);
  run.send(SIGHUP);
  run.send(SIGHUP);
  const Finished stopped = run.wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(stopped.err, "stopping after this step; once more stops at once\n");
  EXPECT_THAT(stopped.out, HasSubstr("stopped and saved in runs/run"));
  EXPECT_TRUE(fs::exists(folder_ / "runs/run/last.safetensors"));
}

TEST_F(TrainInterrupted, NohupKeepsItRunning) {
  options_.ignored = {SIGHUP};
  Process run(endless(), options_);
  wait_for_rows(1);
  run.send(SIGHUP);
  wait_for_rows(lines_in(folder_ / "runs/run/results.csv") + 1);
  run.send(SIGTERM);
  const Finished stopped = run.wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
}

TEST_F(TrainCli, ClosedDescriptorsTakeNothingIntoTheFiles) {
  options_.closed = true;
  EXPECT_EQ(train({"--val-split", "0.2", "--epochs", "2"}).code, 0);
  const std::string results = text_of(folder_ / "runs/run/results.csv");
  EXPECT_THAT(results, testing::MatchesRegex("epoch,lr,[a-z0-9_,]*\n1,[-0-9.e,]*\n2,[-0-9.e,]*\n")) << results;
  for (const auto& entry : fs::directory_iterator(folder_ / "runs/run")) {
    EXPECT_THAT(text_of(entry.path()), testing::Not(HasSubstr("[Train][Epoch"))) << entry.path();
  }
}

TEST_F(TrainInterrupted, ABrokenPipeDoesNotStopTheRun) {
  const std::string command = "cd " + folder_.path().string() +
                              " && { " CONVOY_BINARY
                              " train photos --model resnet9 --img-size 32 --batch-size 4 --epochs 2 --experiment run; "
                              "echo $? > code; } | true";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(text_of(folder_ / "code"), "0\n");
  EXPECT_EQ(lines_in(folder_ / "runs/run/results.csv"), 3);
}

}  // namespace
}  // namespace convoy
