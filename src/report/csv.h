// results.csv of a run: one row an epoch.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "report/output_file.h"

namespace convoy {

class CsvWriter {
 public:
  // Goes on with `path` after its first `kept_rows` rows, dropping what follows them (a resumed run repeats it); starts
  // a file with the header where there is none. Throws Error when the file's header is not `columns`, or on a failing
  // disk.
  CsvWriter(const std::filesystem::path& path, std::span<const std::string> columns, int64_t kept_rows = 0);

  // Appends one row and flushes it; as many values as columns. NaN and infinity are written as such.
  void append(std::span<const double> values);

 private:
  OutputFile file_;
};

}  // namespace convoy
