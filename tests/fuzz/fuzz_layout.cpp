// Takes arbitrary bytes for the paths of a tree, and checks that each of its images is in one part or is told of.
// A line is an entry: its first letter says of which kind, then follow its path and, behind a tab, its content.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "data/webdataset.h"

namespace {

using Contents = std::map<std::string, std::string>;

class TextTree : public convoy::FileTree {
 public:
  TextTree(std::vector<convoy::TreeEntry> entries, Contents contents)
      : entries_(std::move(entries)), contents_(std::move(contents)) {}
  std::vector<convoy::TreeEntry> list() const override { return entries_; }
  bool has(const std::string& path) const override { return contents_.contains(path); }
  std::string name(const std::string& path) const override { return path; }
  std::vector<uint8_t> read(const std::string& path) const override { return read_begin(path, SIZE_MAX); }
  std::vector<uint8_t> read_begin(const std::string& path, size_t most) const override {
    const std::string text = contents_.at(path).substr(0, most);
    return {text.begin(), text.end()};
  }
  std::optional<convoy::FileStamp> stamp(const std::string&) const override { return std::nullopt; }

 private:
  const std::vector<convoy::TreeEntry> entries_;
  const Contents contents_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using enum convoy::TreeEntry::Kind;
  constexpr convoy::TreeEntry::Kind kKinds[] = {image, image, image, other, folder, unreadable, broken_link};
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  std::vector<convoy::TreeEntry> entries;
  Contents contents;
  for (std::string line; std::getline(lines, line) && entries.size() < 200;) {
    // Paths are normal, as trees list them.
    std::string path;
    const size_t tab = std::min(line.find('\t'), line.size());
    std::istringstream parts(line.substr(0, tab).substr(std::min<size_t>(tab, 1)));
    for (std::string part; std::getline(parts, part, '/');) {
      if (!part.empty()) path += (path.empty() ? "" : "/") + part;
    }
    if (path.empty()) continue;
    const convoy::TreeEntry::Kind kind = kKinds[static_cast<uint8_t>(line[0]) % std::size(kKinds)];
    contents[path] = line.substr(std::min(tab + 1, line.size()));
    entries.push_back({kind == folder || kind == unreadable ? path + "/" : path, kind});
  }
  std::ranges::sort(entries, {}, &convoy::TreeEntry::path);
  const auto same = [](const auto& a, const auto& b) { return a.path == b.path; };
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
  try {
    const convoy::Layout layout = convoy::lay_out(TextTree(entries, contents), entries, "/no/such/folder");
    std::set<std::string> used;
    for (const auto& part : {layout.train, layout.val, layout.test}) {
      for (size_t i = 0; part && i < part->files.size(); ++i) {
        if (!used.insert(part->files[i].path).second) std::abort();
        if (part->files[i].label < 0 || static_cast<size_t>(part->files[i].label) >= part->class_names.size())
          std::abort();
      }
    }
    const bool told = std::ranges::any_of(layout.problems, [](const convoy::DataProblem& problem) {
      return problem.kind == "stray-image" || problem.kind == "left-out-folder";
    });
    const auto images = std::ranges::count(entries, image, &convoy::TreeEntry::kind);
    if (!told && static_cast<size_t>(images) != used.size()) std::abort();
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  return 0;
}
