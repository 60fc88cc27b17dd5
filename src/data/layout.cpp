#include "data/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "convoy/error.h"
#include "core/text.h"
#include "data/tree_folder.h"

namespace convoy {
namespace {

using Kind = TreeEntry::Kind;
using Severity = DataProblem::Severity;
using Folder = TreeFolder;
using PathNames = std::function<std::string(const std::string& path)>;

bool holds_classes(const Folder& folder) { return count_images(folder) > count_loose_images(folder); }

// The one sub-folder around what may be classes.
std::optional<Folder> wrapped_in(const Folder& folder) {
  std::optional<Folder> only;
  for (const Folder& sub : sub_folders(folder)) {
    if (count_images(sub) == 0) continue;
    if (only) return std::nullopt;
    only = sub;
  }
  if (!only) return std::nullopt;
  const int64_t loose = count_loose_images(*only);
  return count_images(*only) - loose > loose ? only : std::nullopt;
}

// The folder within, perhaps itself, that the class folders lie in. known: names that are classes in any case.
Folder unwrapped(Folder folder, const std::vector<std::string>& known = {}) {
  while (const auto inner = wrapped_in(folder)) {
    if (std::ranges::find(known, composed(inner->name())) != known.end()) break;
    folder = *inner;
  }
  return folder;
}

std::set<std::string> class_names_in(const Folder& folder) {
  std::set<std::string> names;
  for (const Folder& sub : sub_folders(folder)) {
    if (count_images(sub) > 0) names.insert(composed(sub.name()));
  }
  return names;
}

bool share_a_class(const Folder& a, const Folder& b) {
  const std::set<std::string> names = class_names_in(unwrapped(a)), others = class_names_in(unwrapped(b));
  return std::ranges::any_of(names, [&](const std::string& name) { return others.contains(name); });
}

enum class Role : uint8_t { train, val, test };

struct PartName {
  std::string_view name;
  Role role;
};
// In order of preference.
constexpr std::array<PartName, 9> kPartNames{{{"train", Role::train},
                                              {"training", Role::train},
                                              {"val", Role::val},
                                              {"valid", Role::val},
                                              {"validation", Role::val},
                                              {"eval", Role::val},
                                              {"dev", Role::val},
                                              {"test", Role::test},
                                              {"testing", Role::test}}};

// Sub-folders with images, by what their names say.
struct Parts {
  std::vector<Folder> train, val, test;  // of class folders, the preferred first
  std::vector<Folder> shapeless;         // called a part, but without class folders
  std::vector<Folder> others;
};

Parts name_parts(const Folder& folder) {
  std::vector<Folder> subs = sub_folders(folder);
  std::erase_if(subs, [](const Folder& sub) { return count_images(sub) == 0; });
  Parts parts;
  for (const auto& [name, role] : kPartNames) {
    for (const Folder& sub : subs) {
      if (lower_case(sub.name()) != name) continue;
      std::vector<Folder>& same = role == Role::train ? parts.train : role == Role::val ? parts.val : parts.test;
      (holds_classes(sub) ? same : parts.shapeless).push_back(sub);
    }
  }
  for (const Folder& sub : subs) {
    if (std::ranges::find(kPartNames, lower_case(sub.name()), &PartName::name) == kPartNames.end()) {
      parts.others.push_back(sub);
    }
  }
  return parts;
}

// Whether the names can be believed, though folders of other names stand beside them.
bool are_parts(const Parts& parts) {
  if (parts.train.empty()) return parts.others.empty() && parts.val.size() + parts.test.size() > 1;
  const auto like_train = [&](const Folder& other) { return share_a_class(parts.train.front(), other); };
  return parts.others.empty() || !parts.shapeless.empty() || std::ranges::any_of(parts.val, like_train) ||
         std::ranges::any_of(parts.test, like_train);
}

// The first few of a list, and how many more there are.
std::string listed(std::span<const std::string> names) {
  constexpr size_t kListed = 3;
  std::string text = fmt::format("{}", fmt::join(names.first(std::min(names.size(), kListed)), ", "));
  if (names.size() > kListed) text += fmt::format(" and {} more", names.size() - kListed);
  return text;
}

// "3 .txt, 1 .xml, 2 without extension", the commonest first.
std::string kinds_of(std::span<const TreeEntry* const> files) {
  std::map<std::string, int64_t> counts;
  for (const TreeEntry* file : files) ++counts[lower_case(std::filesystem::path(file->path).extension().string())];
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::ranges::greater{}, &std::pair<std::string, int64_t>::second);
  std::vector<std::string> kinds;
  for (const auto& [extension, count] : sorted) {
    kinds.push_back(fmt::format("{} {}", count, extension.empty() ? "without extension" : extension));
  }
  constexpr size_t kListed = 8;
  if (kinds.size() > kListed) {
    const size_t more = kinds.size() - kListed;
    kinds.resize(kListed);
    kinds.push_back(fmt::format("and {} kinds more", more));
  }
  return fmt::format("{}", fmt::join(kinds, ", "));
}

// A layout in the making.
class Plan {
 public:
  Plan(std::vector<TreeEntry> entries, const PathNames& name)
      : name_(name), entries_(std::move(entries)), used_(entries_.size()) {}

  Layout run() {
    Folder at{"", entries_};
    while (!take_parts(at)) {
      const auto inner = wrapped_in(at);
      if (!inner) {
        layout_.train = classes_in(at, Severity::error);
        break;
      }
      at = *inner;
    }
    if (layout_.train && layout_.train->class_names.empty()) throw no_classes(at);
    tell_of_classes();
    tell_of_unused("images outside of the class folders");
    return std::move(layout_);
  }

  // Where the classes are known already.
  Layout run(LayoutPart part) {
    const Parts parts = name_parts({"", entries_});
    if (parts.train.size() + parts.val.size() + parts.test.size() + parts.shapeless.size() > 1) {
      throw Error(
          fmt::format("{}: has folders for parts, and the numbers of classes beside the images; expected shards "
                      "of each part, of which --val names those to validate with",
                      shown("")));
    }
    std::vector<bool> has_images(part.class_names.size());
    for (const LabelledFile& file : part.files) {
      has_images[static_cast<size_t>(file.label)] = true;
      const auto entry = std::ranges::lower_bound(entries_, file.path, {}, &TreeEntry::path);
      used_[static_cast<size_t>(entry - entries_.begin())] = true;
    }
    std::vector<std::string> empty;
    for (size_t i = 0; i < has_images.size(); ++i) {
      if (!has_images[i]) empty.push_back(part.class_names[i]);
    }
    if (!empty.empty()) {
      tell(Severity::error, kEmptyClass,
           fmt::format("{}: has no images of {} of its {} classes: {}", shown(""), empty.size(), has_images.size(),
                       listed(empty)));
    }
    layout_.train = std::move(part);
    tell_of_one_class();
    tell_of_unused("images without a class of their own");
    return std::move(layout_);
  }

 private:
  std::string shown(std::string_view path) const {
    if (path.ends_with('/')) path.remove_suffix(1);
    return name_(std::string(path));
  }
  std::vector<std::string> shown(std::span<const TreeEntry* const> entries) const {
    std::vector<std::string> names;
    for (const TreeEntry* entry : entries) names.push_back(shown(entry->path));
    return names;
  }

  void tell(Severity severity, std::string kind, std::string text, std::vector<std::string> images = {}) {
    layout_.problems.push_back({severity, std::move(kind), std::move(text), std::move(images)});
  }

  // Reads the sub-folders as parts, if that is what they are.
  bool take_parts(const Folder& at) {
    const Parts parts = name_parts(at);
    const bool train_is_loose = parts.train.empty() && parts.others.empty() && !parts.shapeless.empty() &&
                                lower_case(parts.shapeless.front().name()).starts_with("train");
    if (train_is_loose) {
      throw Error(fmt::format("{}: expected one sub-folder a class, found {} images outside of sub-folders",
                              shown(parts.shapeless.front().path), count_images(parts.shapeless.front())));
    }
    if (!are_parts(parts)) return false;
    if (parts.train.size() > 1) {
      throw Error(fmt::format("{}: holds images to train on, and so does {}; keep one of them",
                              shown(parts.train[0].path), shown(parts.train[1].path)));
    }
    layout_.has_parts = true;
    if (!parts.train.empty()) layout_.train = classes_in(unwrapped(parts.train.front()), Severity::error);
    const std::vector<std::string> known = layout_.train ? layout_.train->class_names : std::vector<std::string>();
    const auto take = [&](const std::vector<Folder>& folders, std::optional<LayoutPart>& part) {
      if (!folders.empty()) part = classes_in(unwrapped(folders.front(), known), std::nullopt);
    };
    take(parts.val, layout_.val);
    take(parts.test, layout_.test);
    choose_val(at, parts);
    return true;
  }

  void choose_val(const Folder& at, const Parts& parts) {
    std::vector<Folder> left_out = parts.others;
    std::ranges::copy(parts.shapeless, std::back_inserter(left_out));
    for (const std::vector<Folder>* folders : {&parts.val, &parts.test}) {
      for (size_t i = 1; i < folders->size(); ++i) left_out.push_back((*folders)[i]);
    }
    leave_out(at, left_out);
    if (!layout_.test) return;
    const std::string test = shown(layout_.test->folder);
    if (layout_.val) {
      tell(Severity::note, "test-unused",
           fmt::format("{} ({} images) is left alone: {} is there to validate with", test, layout_.test->files.size(),
                       shown(layout_.val->folder)));
    } else {
      tell(Severity::warning, kTestValidates,
           fmt::format("{} is used for validation, because there is no val/: what chooses the best epoch is no test "
                       "any more",
                       test));
      layout_.val = std::exchange(layout_.test, std::nullopt);
    }
  }

  void leave_out(const Folder& at, const std::vector<Folder>& folders) {
    std::vector<std::string> names;
    for (const Folder& folder : folders) {
      names.push_back(fmt::format("{} ({} images)", folder.name(), count_images(folder)));
      left_out_.push_back(folder.path);
    }
    if (names.empty()) return;
    tell(Severity::warning, "left-out-folder",
         fmt::format("{}: holds folders for training and validation; others are left out: {}", shown(at.path),
                     listed(names)));
  }

  // empty: how grave a class without images is; nullopt: it is not spoken of.
  LayoutPart classes_in(const Folder& folder, std::optional<Severity> empty) {
    std::map<std::string, std::vector<Folder>> by_name;
    for (const Folder& sub : sub_folders(folder)) by_name[composed(sub.name())].push_back(sub);
    LayoutPart part{.folder = std::string(folder.path), .class_names = {}, .files = {}};
    for (const auto& [name, folders] : by_name) {
      if (folders.size() > 1) {
        tell(Severity::warning, "unicode-forms",
             fmt::format("{}: {} folders whose names differ only in Unicode's form (NFC or NFD) are one class",
                         shown(folders.front().path), folders.size()));
      }
      const size_t before = part.files.size();
      for (const Folder& one : folders) add_files(one, static_cast<int>(part.class_names.size()), part.files);
      if (part.files.size() > before) {
        part.class_names.push_back(name);
      } else if (empty && folders.front().entries.front().kind != Kind::unreadable) {
        tell(*empty, kEmptyClass, fmt::format("{}: the class folder has no images", shown(folders.front().path)));
      }
    }
    return part;
  }

  void add_files(const Folder& folder, int label, std::vector<LabelledFile>& files) {
    for (const TreeEntry& entry : folder.entries) {
      if (entry.kind != Kind::image) continue;
      files.push_back({entry.path, label, folder.path.size()});
      used_[static_cast<size_t>(&entry - entries_.data())] = true;
    }
  }

  Error no_classes(const Folder& at) const {
    if (entries_.empty()) return Error(fmt::format("{}: expected one sub-folder a class, it is empty", shown("")));
    std::vector<const TreeEntry*> others;
    for (const TreeEntry& entry : entries_) {
      if (entry.kind == Kind::unreadable) throw FileError(unreadable(entry));
      if (entry.kind == Kind::other) others.push_back(&entry);
    }
    if (const int64_t images = count_images(at); images > 0) {
      return Error(fmt::format("{}: expected one sub-folder a class, found {} images outside of sub-folders",
                               shown(at.path), images));
    }
    return Error(fmt::format("{}: expected one sub-folder a class, found no images{}{}", shown(at.path),
                             others.empty() ? "" : ", but ", kinds_of(others)));
  }

  std::string unreadable(const TreeEntry& folder) const {
    return fmt::format("{}: the folder cannot be read; check its permissions", shown(folder.path));
  }

  bool tell_of_one_class() {
    const auto& [folder, names, files] = *layout_.train;
    if (names.size() > 1) return false;
    tell(Severity::warning, "one-class",
         fmt::format("{}: has one class only, {}; there is nothing to tell it from, expected a sub-folder for each "
                     "class",
                     shown(folder), names.front()));
    return true;
  }

  void tell_of_classes() {
    if (!layout_.train || tell_of_one_class()) return;
    const auto& [folder, names, files] = *layout_.train;
    if (const std::string common = folder_in_all(*layout_.train); !common.empty()) {
      tell(Severity::warning, "nested-classes",
           fmt::format("{}: its classes ({}) hold no images but in sub-folders, of which all have {}; if those are the "
                       "classes, make them sub-folders of one folder",
                       shown(folder), listed(names), common));
    }
  }

  // A sub-folder that every class has, none of which holds images directly; "" where there is none.
  static std::string folder_in_all(const LayoutPart& part) {
    std::vector<std::set<std::string>> names(part.class_names.size());
    for (const auto& [path, label, begin] : part.files) {
      const size_t slash = path.find('/', begin);
      if (slash == std::string::npos) return "";
      names[static_cast<size_t>(label)].insert(path.substr(begin, slash - begin));
    }
    for (const std::string& name : names.front()) {
      if (std::ranges::all_of(names, [&](const auto& of_class) { return of_class.contains(name); })) return name;
    }
    return "";
  }

  void tell_of_unused(std::string_view what_strays_are) {
    std::vector<const TreeEntry*> strays, others, links;
    for (size_t i = 0; i < entries_.size(); ++i) {
      const TreeEntry& entry = entries_[i];
      const bool told = std::ranges::any_of(left_out_, [&](auto folder) { return entry.path.starts_with(folder); });
      if (entry.kind == Kind::image && !used_[i] && !told) strays.push_back(&entry);
      if (entry.kind == Kind::other) others.push_back(&entry);
      if (entry.kind == Kind::broken_link) links.push_back(&entry);
      if (entry.kind == Kind::unreadable) tell(Severity::error, "unreadable-folder", unreadable(entry));
    }
    if (!strays.empty()) {
      std::vector<std::string> names = shown(strays);
      std::string text = fmt::format("{} are left out ({}): {}", what_strays_are, names.size(), listed(names));
      tell(Severity::warning, "stray-image", std::move(text), std::move(names));
    }
    if (!links.empty()) {
      std::vector<std::string> names = shown(links);
      std::string text =
          fmt::format("links to nothing that can be read are left out ({}): {}", names.size(), listed(names));
      tell(Severity::warning, "broken-link", std::move(text), std::move(names));
    }
    if (!others.empty()) {
      std::vector<std::string> names = shown(others);
      std::string text = fmt::format("files that are no images are left out ({}), such as {}", kinds_of(others),
                                     listed(std::span(names).first(1)));
      tell(Severity::note, "other-file", std::move(text), std::move(names));
    }
  }

  const PathNames& name_;
  const std::vector<TreeEntry> entries_;
  std::vector<bool> used_;  // whether each is an image of a part
  std::vector<std::string_view> left_out_;
  Layout layout_;
};

}  // namespace

Layout lay_out(std::vector<TreeEntry> entries, const PathNames& name) { return Plan(std::move(entries), name).run(); }

Layout lay_out(std::vector<TreeEntry> entries, const PathNames& name, LayoutPart part) {
  return Plan(std::move(entries), name).run(std::move(part));
}

std::string composed(std::string_view name) {
  utf8proc_uint8_t* text = nullptr;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(name.data());
  const utf8proc_ssize_t size = utf8proc_map(bytes, static_cast<utf8proc_ssize_t>(name.size()), &text,
                                             static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(text, std::free);
  if (size < 0) return std::string(name);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(size)};
}

}  // namespace convoy
