#include "report/output_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "convoy/error.h"

namespace convoy {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view action, int error) {
  throw FileError(fmt::format("{}: cannot {}: {}", path.string(), action, std::generic_category().message(error)));
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path, Start start)
    : path_(std::move(path)), file_(std::fopen(path_.c_str(), start == Start::append ? "abe" : "wbe")) {
  if (!file_) fail(path_, "open for writing", errno);
}

void OutputFile::append(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() || std::fflush(file_.get()) != 0) {
    fail(path_, "write", errno);
  }
}

}  // namespace convoy
