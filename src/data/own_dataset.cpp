#include "data/own_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <new>
#include <set>
#include <utility>

#include "convoy/error.h"
#include "core/text.h"

namespace convoy {
namespace {

struct Entry {
  std::string name;
  std::function<OwnDataset()> open;
};

std::deque<Entry>& registry() {
  static std::deque<Entry> all;
  return all;
}

// What `call`, which is the program's, returns; what it throws becomes an Error that begins with `name`.
template <class Call>
auto guarded(const std::string& name, const Call& call) try {
  return call();
} catch (const Error& error) {
  const std::string text = error.what();
  error.rethrow(text.starts_with(name) ? text : fmt::format("{}: {}", name, text));
} catch (const std::bad_alloc&) {
  throw MemoryError(fmt::format("{}: there is not enough memory", name));
} catch (const std::exception& error) {
  throw Error(fmt::format("{}: {}", name, error.what()));
} catch (...) {
  throw Error(fmt::format("{}: threw something that is no std::exception", name));
}

Image to_image(const OwnImage& own, const std::string& name, const DecodeOptions& options, std::string* damage) {
  if (own.width == 0 && own.height == 0) return decode_image(own.bytes, name, options, damage);
  if (own.width < 1 || own.height < 1) {
    throw Error(fmt::format("{}: expected 1x1 pixels at least, got {}x{}", name, own.width, own.height));
  }
  const uint64_t expected = uint64_t{3} * static_cast<uint64_t>(own.width) * static_cast<uint64_t>(own.height);
  if (own.bytes.size() != expected) {
    throw Error(fmt::format("{}: expected {} bytes of {}x{} RGB pixels, got {}", name, expected, own.width, own.height,
                            own.bytes.size()));
  }
  Image image(own.width, own.height);
  std::ranges::copy(own.bytes, image.row(0));
  return part_of(std::move(image), options.part);
}

class OwnImages : public Dataset {
 public:
  // source: what to call it in messages.
  OwnImages(std::shared_ptr<const LabelledImages> images, std::string source)
      : images_(std::move(images)), source_(std::move(source)) {
    guarded(source_, [this] { read_classes(); });
    guarded(source_, [this] { read_labels(); });
  }
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  std::string name(int64_t index) const override {
    const std::string usual = fmt::format("{} image {}", source_, index);
    const std::string own = guarded(usual, [&] { return images_->name(index); });
    return own.empty() ? usual : printable(own);
  }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override {
    OwnImage own = read(index, name(index));
    if (own.width != 0 || own.height != 0) return std::nullopt;
    return std::move(own.bytes);
  }
  Image load(int64_t index) const override {
    const std::string called = name(index);
    return to_image(read(index, called), called, {}, nullptr);
  }
  Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const override {
    damage.clear();
    const std::string called = name(index);
    return to_image(read(index, called), called, options, &damage);
  }

 private:
  OwnImage read(int64_t index, const std::string& called) const {
    return guarded(called, [&] { return images_->image(index); });
  }

  void read_classes() {
    class_names_ = images_->class_names();
    if (class_names_.empty()) throw Error("expected one class at least, got none");
    std::set<std::string_view> seen;
    for (const std::string& name : class_names_) {
      if (name.empty()) throw Error("expected a name for every class, got an empty one");
      if (!seen.insert(name).second)
        throw Error(fmt::format("expected classes of different names, got '{}' twice", name));
    }
  }

  void read_labels() {
    const int64_t size = images_->size();
    if (size < 1) throw Error(fmt::format("expected one image at least, got {}", size));
    const auto classes = static_cast<int64_t>(class_names_.size());
    for (int64_t i = 0; i < size; ++i) {
      const int label = images_->label(i);
      if (label < 0 || label >= classes) {
        throw Error(fmt::format("image {} has label {}; expected 0 to {}", i, label, classes - 1));
      }
      labels_.push_back(label);
    }
  }

  std::shared_ptr<const LabelledImages> images_;
  std::string source_;
  std::vector<std::string> class_names_;
  std::vector<int> labels_;
};

TrainVal open(const Entry& entry) {
  const OwnDataset parts = guarded(entry.name, entry.open);
  if (parts.train == nullptr) throw Error(fmt::format("{}: expected images to train on, got none", entry.name));
  if (parts.val == nullptr) {
    return {.train = std::make_shared<OwnImages>(parts.train, entry.name), .train_source = entry.name};
  }
  const std::string train_source = entry.name + " train", val_source = entry.name + " val";
  const DatasetPtr train = std::make_shared<OwnImages>(parts.train, train_source);
  const DatasetPtr val = std::make_shared<OwnImages>(parts.val, val_source);
  return {.train = train,
          .val = val,
          .test = val,
          .has_parts = true,
          .train_source = train_source,
          .val_source = val_source};
}

}  // namespace

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const Entry& entry : registry()) names.push_back(entry.name);
  return names;
}

void add_dataset(std::string name, std::function<OwnDataset()> open) {
  if (name.empty()) throw InternalError("dataset: expected a name, got none");
  if (!open) throw InternalError(fmt::format("dataset {}: expected a function that opens it, got none", name));
  if (std::ranges::find(registry(), name, &Entry::name) != registry().end()) {
    throw InternalError(fmt::format("there is already a dataset named '{}'", name));
  }
  registry().push_back({std::move(name), std::move(open)});
}

std::optional<TrainVal> open_own_dataset(const std::filesystem::path& root) {
  std::error_code unknown;
  if (registry().empty() || std::filesystem::exists(root, unknown)) return std::nullopt;
  const std::string name = root.string();
  const auto found = std::ranges::find(registry(), name, &Entry::name);
  if (found != registry().end()) return open(*found);
  if (const std::string meant = nearest(name, dataset_names()); !meant.empty()) {
    throw FileError(fmt::format("{}: no such folder or archive (did you mean the dataset '{}'?)", name, meant));
  }
  return std::nullopt;
}

}  // namespace convoy
