#include "data/listing.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/text.h"
#include "data/file_format.h"

namespace convoy {

bool is_junk(std::string_view name) {
  // Windows and file servers spell them in either case.
  constexpr std::array<std::string_view, 11> kNames{"__macosx",
                                                    "@eadir",
                                                    "@recycle",
                                                    "#recycle",
                                                    "#snapshot",
                                                    "lost+found",
                                                    "$recycle.bin",
                                                    "recycler",
                                                    "thumbs.db",
                                                    "desktop.ini",
                                                    "system volume information"};
  return name.starts_with('.') || name == "Icon\r" || std::ranges::find(kNames, lower_case(name)) != kNames.end();
}

bool ImageFinder::operator()(std::string_view path, const std::function<std::vector<uint8_t>()>& begin) {
  const std::filesystem::path file(path);
  if (format_by_name(file)) return true;
  constexpr int kTries = 1000;
  const std::string extension = file.extension().string();
  if (extension.empty()) return format_by_content(begin()).has_value();
  const auto misses = misses_.find(extension);
  if (misses != misses_.end() && misses->second >= kTries) return false;
  const bool found = format_by_content(begin()).has_value();
  if (!found) ++misses_[extension];
  return found;
}

}  // namespace convoy
