// The command line as a user meets it: exit codes, one line for each mistake, and what the shells complete.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "convoy/version.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One line on standard error that begins with `start`, nothing on standard output, and exit code `code`.
void expect_refused(const std::vector<std::string>& arguments, int code, const std::string& start) {
  const Finished finished = run_convoy(arguments);
  EXPECT_EQ(finished.code, code);
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, StartsWith(start));
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
}

TEST(CommandLine, SaysItsVersion) {
  const Finished finished = run_convoy({"--version"});
  EXPECT_EQ(finished.code, 0);
  EXPECT_EQ(finished.out, "convoy " + std::string(version()) + "\n");
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  expect_refused({"completoin"}, 2, "convoy: unknown command 'completoin' (did you mean 'completion'?)");
  expect_refused({"--verison"}, 2, "convoy: unknown flag '--verison' (did you mean '--version'?)");
  expect_refused({"completion", "--hepl=1", "bash"}, 2,
                 "convoy completion: unknown flag '--hepl' (did you mean '--help'?)");
  expect_refused({"completion", "bash", "more"}, 2, "convoy completion: unexpected argument 'more'");
  expect_refused({"completion", "bahs"}, 2, "convoy completion: SHELL: unknown shell 'bahs' (did you mean 'bash'?)");
}

TEST(CommandLine, NamesVariablesThatItDoesNotKnow) {
  ProcessOptions options;
  options.environment = {{"CONVOY_EPOCS", "3"}};
  const Finished refused = run_convoy({"models"}, options);
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err,
              StartsWith("convoy models: unknown variable 'CONVOY_EPOCS' (did you mean 'CONVOY_EPOCHS'?); "));
  EXPECT_EQ(run_convoy({"--help"}, options).code, 0);
  options.environment = {{"CONVOY_EPOCHS", ""}, {"CONVOY_ISA", "baseline"}};
  EXPECT_EQ(run_convoy({"models"}, options).code, 0);
}

TEST(CommandLine, EveryCommandHasHelpWithExamples) {
  const Finished overview = run_convoy({"--help"});
  for (const cli::Command* command : cli::commands()) {
    const std::string name(command->name);
    EXPECT_THAT(overview.out, HasSubstr("\n  " + name + " "));
    const Finished help = run_convoy({name, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: convoy " + name));
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  convoy " + name));
    EXPECT_EQ(help.err, "");
  }
}

TEST(CommandLine, AFullDiskBehindStandardOutputIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  ProcessOptions options;
  options.out = "/dev/full";
  const Finished finished = run_convoy({"completion", "bash"}, options);
  EXPECT_EQ(finished.code, 1);
  EXPECT_EQ(finished.err, "convoy completion: standard output: No space left on device\n");
}

TEST(CommandLine, HelpShowsWhatIsOnAndWhatIsPositional) {
  const std::string train = run_convoy({"train", "--help"}).out;
  EXPECT_THAT(train, HasSubstr("  --cycle-momentum,--no-cycle-momentum\n"));
  EXPECT_THAT(train, HasSubstr("from 0.95 to 0.85 and back [true]\n"));
  EXPECT_THAT(run_convoy({"fuse", "--help"}).out, HasSubstr("  --no-speed "));
  EXPECT_THAT(run_convoy({"eval", "--help"}).out, HasSubstr("Usage: convoy eval [OPTIONS] [MODEL] [DIR]\n"));
}

TEST(CommandLine, ThreadsAndWorkersHaveOneRange) {
  const std::string model = "none.safetensors";
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"eval", model, "photos"},
                                             {"predict", "--checkpoint", model, "photo.jpg"},
                                             {"fuse", model, "-o", "out"},
                                             {"bench", model}}) {
    for (const auto& [threads, code_matters] : {std::pair("0", false), std::pair("4097", true)}) {
      std::vector<std::string> words = command;
      words.insert(words.end(), {"--threads", threads});
      EXPECT_EQ(run_convoy(words).err.find("--threads") != std::string::npos, code_matters) << command[0];
    }
  }
  EXPECT_THAT(run_convoy({"eval", model, "photos", "--workers", "4096"}).err, Not(HasSubstr("--workers")));
}

TEST(Manual, TellsOfEveryCommandWhatGroffTakes) {
  const std::string page = run_convoy({"manual"}).out;
  EXPECT_THAT(page, StartsWith(".TH CONVOY 1 "));
  for (const cli::Command* command : cli::commands()) {
    std::string name;
    for (const char c : command->name) {
      if (c == '-') name.push_back('\\');
      name.push_back(c);
    }
    EXPECT_THAT(page, HasSubstr(fmt::format("\n.SS \"convoy {}\"\n", name)));
  }
  EXPECT_THAT(page, HasSubstr("\n.TP\n\\fB\\-b,\\-\\-batch\\-size N\\fR\n"));
  if (std::system("command -v groff > /dev/null") != 0) return;
  const TemporaryFolder folder;
  std::ofstream(folder / "convoy.1") << page;
  const std::string groff = "groff -man -Tutf8 -ww -Wbreak " + folder / "convoy.1";
  EXPECT_EQ(std::system((groff + " > /dev/null 2> " + folder / "complaints").c_str()), 0);
  EXPECT_EQ(std::filesystem::file_size(folder / "complaints"), 0);
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const cli::Command* command : cli::commands()) names.emplace_back(command->name);
  return names;
}

// What bash offers for the last of `words`; nothing where it is to offer files.
std::string bash_offers(const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  const std::string script = folder / "script";
  const std::string answer = folder / "answer";
  std::ofstream stream(script);
  stream << run_convoy({"completion", "bash"}).out << "COMP_WORDS=(";
  for (const std::string& word : words) stream << " '" << word << "'";
  stream << ")\nCOMP_CWORD=" << words.size() - 1 << "\n_convoy\necho \"${COMPREPLY[*]}\" > " << answer << "\n";
  stream.close();
  EXPECT_EQ(std::system(("bash " + script).c_str()), 0);
  std::string line;
  std::getline(std::ifstream(answer), line);
  return line;
}

TEST(Completion, BashOffersCommandsFlagsAndValues) {
  EXPECT_EQ(bash_offers({"convoy", ""}), joined(command_names()));
  EXPECT_EQ(bash_offers({"convoy", "--"}), "--help --version");
  EXPECT_EQ(bash_offers({"convoy", "compl"}), "completion");
  EXPECT_EQ(bash_offers({"convoy", "completion", "z"}), "zsh");
  EXPECT_EQ(bash_offers({"convoy", "completion", "--he"}), "--help");
  EXPECT_EQ(bash_offers({"convoy", "data", ""}), "split check preview stats");
  EXPECT_EQ(bash_offers({"convoy", "data", "check", ""}), "");
  EXPECT_EQ(bash_offers({"convoy", "data", "check", "--"}), "--help --all --json");
  EXPECT_EQ(bash_offers({"convoy", "train", "data", "--model", "resnet1"}), "resnet101 resnet152 resnet18");
  EXPECT_EQ(bash_offers({"convoy", "train", "data", "--opt", "adam"}), "adam adamw");
  EXPECT_EQ(bash_offers({"convoy", "train", "--val", ""}), "");
  EXPECT_EQ(bash_offers({"convoy", "bench", "vgg11"}), "vgg11 vgg11_bn");
}

// What fish offers at the end of `line`, without the descriptions, in alphabetical order.
std::string fish_offers(const TemporaryFolder& folder, const std::string& line) {
  const std::string script = folder / "script";
  const std::string answer = folder / "answer";
  std::ofstream(script) << run_convoy({"completion", "fish"}).out << "cd " << folder.path().string()
                        << "\ncomplete -C '" << line << "' > " << answer << "\n";
  EXPECT_EQ(std::system(("HOME=" + folder.path().string() + " fish --no-config " + script).c_str()), 0);
  std::vector<std::string> words;
  std::ifstream stream(answer);
  for (std::string word; std::getline(stream, word);) words.push_back(word.substr(0, word.find('\t')));
  std::ranges::sort(words);
  return joined(words);
}

TEST(Completion, FishOffersCommandsFlagsValuesAndFiles) {
  if (std::system("command -v fish > /dev/null") != 0) GTEST_SKIP() << "no fish here";
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "photos/cat");
  std::vector<std::string> names = command_names();
  std::ranges::sort(names);
  EXPECT_EQ(fish_offers(folder, "convoy "), joined(names));
  EXPECT_EQ(fish_offers(folder, "convoy data "), "check preview split stats");
  EXPECT_EQ(fish_offers(folder, "convoy data check photos/"), "photos/cat/");
  EXPECT_EQ(fish_offers(folder, "convoy data check --a"), "--all");
  EXPECT_EQ(fish_offers(folder, "convoy train data --model resnet1"), "resnet101 resnet152 resnet18");
  EXPECT_EQ(fish_offers(folder, "convoy train data --ev"), "--eval-interval");
  EXPECT_EQ(fish_offers(folder, "convoy summary vgg11"), "vgg11 vgg11_bn");
  EXPECT_EQ(fish_offers(folder, "convoy summary pho"), "photos/");
  EXPECT_EQ(fish_offers(folder, "convoy completion "), "bash fish zsh");
}

TEST(Completion, ZshDescribesCommandsAndCompletesTheirArguments) {
  const std::string script = run_convoy({"completion", "zsh"}).out;
  for (const cli::Command* command : cli::commands()) {
    const std::string name(command->name);
    EXPECT_THAT(script, HasSubstr("\n      '" + name + ":"));
    EXPECT_THAT(script, HasSubstr("\n    " + name + ") _convoy_" + name + " ;;\n"));
    EXPECT_THAT(script, HasSubstr("\n_convoy_" + name + "() {\n"));
  }
  const auto function = [&](const std::string& name) {
    const size_t begin = script.find("\n_convoy" + name + "() {\n");
    return script.substr(begin, script.find("\n}\n", begin) - begin);
  };
  EXPECT_THAT(function("_data"), HasSubstr("\n      'split:Divide a folder of images into train/ and val/'\n"));
  EXPECT_THAT(function("_data"), HasSubstr("\n    check) _convoy_data_check ;;\n"));
  EXPECT_THAT(function("_data_check"), EndsWith("    '*:argument:_files'"));
  EXPECT_THAT(function("_completion"), EndsWith("    '*:argument:(bash zsh fish)'"));
  EXPECT_THAT(function("_train"), HasSubstr("    '--model[network to train]:value:(acnet_resnet18 "));
  EXPECT_THAT(function("_bench"), HasSubstr("    '*:argument: _alternative \"words\\:word\\:(acnet_resnet18 "));
  if (std::system("command -v zsh > /dev/null") != 0) return;
  const TemporaryFolder folder;
  std::ofstream(folder / "script") << script;
  EXPECT_EQ(std::system(("zsh -n " + folder / "script").c_str()), 0);
}

}  // namespace
}  // namespace convoy
