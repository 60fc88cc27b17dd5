// The command line as a user meets it: exit codes, one line for each mistake, and what the shells complete.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "convoy/version.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

using testing::HasSubstr;
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

TEST(Completion, EveryShellKnowsEveryCommand) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Finished script = run_convoy({"completion", shell});
    EXPECT_EQ(script.code, 0);
    for (const cli::Command* command : cli::commands()) {
      EXPECT_THAT(script.out, HasSubstr(std::string(command->name))) << shell;
    }
  }
}

// What bash offers for the last of `words`.
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
  EXPECT_EQ(bash_offers({"convoy", "compl"}), "completion");
  EXPECT_EQ(bash_offers({"convoy", "completion", "z"}), "zsh");
  EXPECT_EQ(bash_offers({"convoy", "completion", "--he"}), "--help");
}

}  // namespace
}  // namespace convoy
