#include "cli/memory.h"

#include "cli/output.h"
#include "convoy/error.h"
#include "core/byte_size.h"

namespace convoy::cli {

void add_memory(CLI::App& app, std::optional<int64_t>& bytes) {
  app.add_option_function<std::string>(
         "--memory", [&bytes](const std::string& text) { bytes = parse_byte_size(text); },
         "With --train: most memory to plan, such as 1.5G; what does not fit is computed again [as much as it takes]")
      ->type_name("SIZE")
      ->check([](const std::string& text) {
        return parse_byte_size(text) ? ""
                                     : fmt::format("expected an amount of memory such as 1.5G or 800M, got '{}'", text);
      });
}

void require_train(bool train, const std::optional<int64_t>& bytes) {
  if (bytes && !train) throw UsageError("memory: expected --train, too: only training can compute anything again");
}

void print_repeated(const RepeatedWork& repeated, size_t planned_bytes) {
  if (repeated.nodes == 0) return;
  constexpr double kMebi = 1 << 20;
  print("memory: {:.0f} MiB planned instead of {:.0f}; for it {} nodes are computed again, about {:.1f} % more work\n",
        static_cast<double>(planned_bytes) / kMebi, static_cast<double>(planned_bytes + repeated.saved_bytes) / kMebi,
        repeated.nodes, 100 * repeated.share);
}

}  // namespace convoy::cli
