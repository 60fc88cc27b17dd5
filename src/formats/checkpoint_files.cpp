#include "formats/checkpoint_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>

#include "convoy/error.h"
#include "formats/foreign_format.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array<std::string_view, 4> kUsualFiles = {"model.safetensors", "model.safetensors.index.json",
                                                         "pytorch_model.bin", "pytorch_model.bin.index.json"};
constexpr std::array<std::string_view, 6> kEndings = {".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pdparams"};

bool is_index(const fs::path& path) { return path.filename().string().ends_with(".index.json"); }

json read_json(const fs::path& path) {
  constexpr uintmax_t kLargest = uintmax_t{64} << 20;
  constexpr int kDeepest = 16;
  const std::string name = path.filename().string();
  if (const uintmax_t size = fs::file_size(path); size > kLargest) {
    throw Error(fmt::format("{} has {} bytes, expected at most {}", quote_name(name), size, kLargest));
  }
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw FileError(fmt::format("{} cannot be read", quote_name(name)));
  return parse_strict_json(text, kDeepest, quote_name(name));
}

fs::path file_in(const fs::path& folder) {
  for (const std::string_view name : kUsualFiles) {
    if (fs::is_regular_file(folder / name)) return folder / name;
  }
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool known = std::ranges::find(kEndings, entry.path().extension().string()) != kEndings.end();
    if (known && entry.is_regular_file()) found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  if (const std::string foreign = foreign_folder(folder); found.empty() && !foreign.empty()) throw FileError(foreign);
  if (found.empty()) {
    throw FileError(fmt::format("is a folder without a checkpoint; expected {}", fmt::join(kUsualFiles, ", ")));
  }
  std::ranges::sort(found);
  constexpr size_t kMost = 5;
  const size_t more = found.size() > kMost ? found.size() - kMost : 0;
  std::vector<std::string> names;
  for (size_t i = 0; i < found.size() - more; ++i) names.push_back(quote_name(found[i].filename().string()));
  throw FileError(fmt::format("is a folder of several checkpoints: {}{}; name the one to use", fmt::join(names, ", "),
                              more > 0 ? fmt::format(" and {} more", more) : ""));
}

void read_index(const fs::path& index, CheckpointFiles& result) {
  const json parsed = read_json(index);
  const auto map = parsed.find("weight_map");
  if (map == parsed.end() || !map->is_object() || map->empty()) {
    throw Error("is an index without \"weight_map\", which tells the file of every tensor");
  }
  std::set<fs::path> files;
  for (const auto& [tensor, file] : map->items()) {
    const fs::path name = file.is_string() ? fs::path(file.get<std::string>()) : fs::path();
    if (name.empty() || name != name.filename() || name == "..") {
      throw Error(fmt::format("places tensor {} in {}, expected the name of a file beside the index",
                              quote_name(tensor), quote_name(file.dump())));
    }
    const fs::path path = index.parent_path() / name;
    if (!fs::is_regular_file(path)) {
      throw FileError(fmt::format("names the file {}, which is not beside it", quote_name(name.string())));
    }
    files.insert(path);
    result.places.emplace(tensor, path);
  }
  result.files.assign(files.begin(), files.end());
}

}  // namespace

CheckpointFiles find_checkpoint_files(const fs::path& path) {
  if (!fs::exists(path)) throw FileError("there is no such file");
  const bool is_folder = fs::is_directory(path);
  const fs::path file = is_folder ? file_in(path) : path;
  if (!fs::is_regular_file(file)) throw FileError("is not a file");
  CheckpointFiles result;
  result.path = file;
  if (is_index(file)) {
    read_index(file, result);
  } else {
    result.files.push_back(file);
  }
  const bool usual = std::ranges::find(kUsualFiles, file.filename().string()) != kUsualFiles.end();
  if (!is_folder && !usual) return result;
  for (const char* name : {"config", "preprocessor_config"}) {
    const fs::path description = file.parent_path() / (std::string(name) + ".json");
    if (fs::is_regular_file(description)) result.notes[name] = read_json(description);
  }
  return result;
}

}  // namespace convoy
