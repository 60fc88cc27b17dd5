#include "report/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <iterator>

#include "convoy/error.h"

namespace convoy {
namespace {

// Cuts the file after its header and `kept_rows` whole rows and opens it; an empty or missing file gets the header.
OutputFile open_after(const std::filesystem::path& path, const std::string& header, int64_t kept_rows) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!text.empty()) {
    if (!text.starts_with(header)) {
      throw FileError(fmt::format("{}: its first line is not '{}': move the file away or choose another --experiment",
                                  path.string(), header.substr(0, header.size() - 1)));
    }
    size_t end = header.size();
    for (int64_t row = 0; row < kept_rows && text.find('\n', end) != std::string::npos; ++row) {
      end = text.find('\n', end) + 1;
    }
    std::filesystem::resize_file(path, end);
  }
  OutputFile file(path);
  if (text.empty()) file.append(header);
  return file;
}

}  // namespace

CsvWriter::CsvWriter(const std::filesystem::path& path, std::span<const std::string> columns, int64_t kept_rows)
    : file_(open_after(path, fmt::format("{}\n", fmt::join(columns, ",")), kept_rows)) {}

void CsvWriter::append(std::span<const double> values) {
  file_.append(fmt::format("{:.9g}\n", fmt::join(values, ",")));
}

}  // namespace convoy
