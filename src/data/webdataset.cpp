#include "data/webdataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "convoy/error.h"
#include "core/parallel.h"
#include "data/image.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using PathNames = std::function<std::string(const std::string& path)>;

constexpr std::string_view kClassFile = ".cls";
constexpr int kMostClass = 1'000'000;

// "a/1" and "mask.png" of "a/1.mask.png", cut at the first or the last dot of the file's name.
std::pair<std::string_view, std::string_view> key_of(std::string_view path, bool at_last) {
  const size_t name = path.rfind('/') + 1;  // 0 where there is none
  const size_t dot = at_last ? path.rfind('.') : path.find('.', name);
  if (dot == std::string_view::npos || dot < name) return {path, ""};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

std::string class_file_of(std::string_view key) { return fmt::format("{}{}", key, kClassFile); }

bool is_listed(const std::vector<TreeEntry>& entries, const std::string& path) {
  const auto found = std::ranges::lower_bound(entries, path, {}, &TreeEntry::path);
  return found != entries.end() && found->path == path && found->kind == TreeEntry::Kind::other;
}

int read_number(const FileTree& tree, const std::string& file) {
  constexpr size_t kMostBytes = 32;
  const std::vector<uint8_t> bytes = tree.read_begin(file, kMostBytes + 1);
  const auto fail = [&] {
    std::string got(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMostBytes));
    if (bytes.size() > kMostBytes) got += "...";
    return Error(
        fmt::format("{}: expected the number of a class, from 0 to {}, got '{}'", tree.name(file), kMostClass, got));
  };
  if (bytes.size() > kMostBytes) throw fail();
  constexpr std::string_view kSpaces = " \t\r\n";
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(kSpaces) + 1));
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > kMostClass) throw fail();
  return number;
}

std::optional<fs::path> class_names_file(const fs::path& root) {
  std::error_code unknown;
  const fs::path folder = fs::is_directory(root, unknown) ? root : root.parent_path();
  for (const char* name : {"classes.txt", "classnames.txt", "../classnames.txt"}) {
    if (fs::is_regular_file(folder / name, unknown)) return folder / name;
  }
  return std::nullopt;
}

std::vector<std::string> lines_of(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  std::vector<std::string> lines(1);
  for (const uint8_t byte : bytes) {
    if (byte == '\n') {
      lines.emplace_back();
    } else if (byte != '\r') {
      lines.back() += static_cast<char>(byte);
    }
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// The names of at least `classes` classes.
std::vector<std::string> read_class_names(const fs::path& file, const NumberedImage& last) {
  std::vector<std::string> names = lines_of(file);
  if (names.size() <= static_cast<size_t>(last.number)) {
    throw Error(
        fmt::format("{}: expected the names of {} classes or more, a line each, because {} has class {}, got {}",
                    file.string(), last.number + 1, last.path, last.number, names.size()));
  }
  std::map<std::string_view, size_t> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    names[i] = composed(names[i]);
    if (names[i].empty())
      throw Error(fmt::format("{}: expected a class in line {}, it is empty", file.string(), i + 1));
    const auto [other, is_new] = seen.emplace(names[i], i);
    if (!is_new) {
      throw Error(fmt::format("{}: expected classes of different names, got '{}' in lines {} and {}", file.string(),
                              names[i], other->second + 1, i + 1));
    }
  }
  return names;
}

// By folders, where each class of theirs is one number of the images and each number one class; nullopt otherwise.
std::optional<Layout> lay_out_like(const std::vector<NumberedImage>& images, const std::vector<TreeEntry>& entries,
                                   const PathNames& name) try {
  Layout layout = lay_out(entries, name);
  std::map<std::string, int> numbers;
  std::map<int, std::string> names;
  size_t count = 0;
  for (const auto& part : {layout.train, layout.val, layout.test}) {
    if (!part) continue;
    count += part->files.size();
    for (const LabelledFile& file : part->files) {
      const auto image = std::ranges::lower_bound(images, file.path, {}, &NumberedImage::path);
      if (image == images.end() || image->path != file.path) return std::nullopt;
      const std::string& class_name = part->class_names[static_cast<size_t>(file.label)];
      if (numbers.emplace(class_name, image->number).first->second != image->number ||
          names.emplace(image->number, class_name).first->second != class_name) {
        return std::nullopt;
      }
    }
  }
  return count == images.size() ? std::optional(std::move(layout)) : std::nullopt;
} catch (const Error&) {
  return std::nullopt;
}

}  // namespace

bool is_class_file(std::string_view path) { return path.ends_with(kClassFile); }

std::vector<NumberedImage> read_class_numbers(const FileTree& tree, const std::vector<TreeEntry>& entries) {
  std::vector<NumberedImage> images;
  std::vector<std::string> files;
  std::string without;  // an image that has no class
  for (const TreeEntry& entry : entries) {
    if (entry.kind != TreeEntry::Kind::image) continue;
    if (std::string file = class_file_of(key_of(entry.path, true).first); is_listed(entries, file)) {
      images.push_back({entry.path});
      files.push_back(std::move(file));
      continue;
    }
    const auto [key, extensions] = key_of(entry.path, false);
    const bool belongs_to_another =
        extensions.find('.') != std::string_view::npos && is_listed(entries, class_file_of(key));
    if (without.empty() && !belongs_to_another) without = entry.path;
  }
  if (!images.empty() && !without.empty()) {
    throw Error(fmt::format("{}: has no class, expected its number in {} as {} has it", tree.name(without),
                            class_file_of(key_of(without, true).first), tree.name(images.front().path)));
  }
  parallel_for_throwing(files.size(), [&](size_t i) { images[i].number = read_number(tree, files[i]); });
  return images;
}

LayoutPart numbered_part(const std::vector<NumberedImage>& images, const fs::path& root) {
  LayoutPart part;
  for (const auto& [path, number] : images) part.files.push_back({path, number});
  std::ranges::stable_sort(part.files, {}, &LabelledFile::label);
  const NumberedImage last{part.files.back().path, part.files.back().label};
  if (const auto file = class_names_file(root)) {
    part.class_names = read_class_names(*file, last);
  } else {
    for (int number = 0; number <= last.number; ++number) part.class_names.push_back(std::to_string(number));
  }
  return part;
}

Layout lay_out(const FileTree& tree, std::vector<TreeEntry> entries, const fs::path& root) {
  const PathNames name = [&](const std::string& path) { return tree.name(path); };
  const std::vector<NumberedImage> images = read_class_numbers(tree, entries);
  if (images.empty()) return lay_out(std::move(entries), name);
  std::erase_if(entries, [](const TreeEntry& entry) {
    return entry.kind == TreeEntry::Kind::other && is_class_file(entry.path);
  });
  if (auto by_folders = lay_out_like(images, entries, name)) return *std::move(by_folders);
  return lay_out(std::move(entries), name, numbered_part(images, root));
}

}  // namespace convoy
