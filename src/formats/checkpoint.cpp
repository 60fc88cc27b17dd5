#include "formats/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "convoy/error.h"
#include "formats/checkpoint_files.h"
#include "formats/foreign_format.h"
#include "formats/pickle.h"
#include "formats/pickled_notes.h"
#include "formats/pickled_weights.h"
#include "formats/safetensors.h"
#include "formats/strict_json.h"
#include "formats/torch_file.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class SafetensorsSource : public Checkpoint::Source {
 public:
  explicit SafetensorsSource(const fs::path& path) : file_(path) {}
  const SafetensorsReader& file() const { return file_; }
  std::vector<float> floats(size_t i) const override { return file_.floats(file_.tensors()[i].name); }

 private:
  SafetensorsReader file_;
};

class PickleSource : public Checkpoint::Source {
 public:
  PickleSource(fs::path path, TorchFile file, const std::string& key)
      : path_(std::move(path)), torch_(std::move(file)), weights_(find_pickled_weights(torch_->pickle(), key)) {}
  // A pickle of NumPy arrays.
  PickleSource(fs::path path, std::vector<std::byte> bytes, const std::string& key)
      : path_(std::move(path)),
        bytes_(std::move(bytes)),
        pickle_(std::make_unique<Pickle>(bytes_)),
        weights_(find_pickled_weights(*pickle_, key)) {}

  const PickledWeights& weights() const { return weights_; }
  const Pickle& pickle() const { return torch_ ? torch_->pickle() : *pickle_; }

  std::vector<float> floats(size_t i) const override {
    const PickledWeights::Tensor& tensor = weights_.tensors[i];
    try {
      return pickled_floats(tensor.tensor, [this](const PickleStorage& storage) {
        if (!torch_) throw Error("refers to numbers outside of the file");
        return torch_->storage(storage);
      });
    } catch (const Error& error) {
      error.rethrow(fmt::format("{}: tensor {} {}", path_.string(), quote_name(tensor.name), error.what()));
    }
  }

 private:
  fs::path path_;
  std::optional<TorchFile> torch_;
  std::vector<std::byte> bytes_;
  std::unique_ptr<Pickle> pickle_;
  PickledWeights weights_;
};

// Tensors in several files.
class PartsSource : public Checkpoint::Source {
 public:
  struct Place {
    size_t part, tensor;
  };
  PartsSource(std::vector<Checkpoint> parts, std::vector<Place> places)
      : parts_(std::move(parts)), places_(std::move(places)) {}
  std::vector<float> floats(size_t i) const override { return parts_[places_[i].part].floats(places_[i].tensor); }

 private:
  std::vector<Checkpoint> parts_;
  std::vector<Place> places_;
};

std::vector<std::byte> read_bytes(const fs::path& path, uint64_t most) {
  std::ifstream stream(path, std::ios::binary);
  std::vector<std::byte> bytes(static_cast<size_t>(std::min<uint64_t>(most, fs::file_size(path))));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) throw FileError(fmt::format("cannot be read: {}", std::strerror(errno)));
  return bytes;
}

// The length of a header and its brace. A length may begin as a pickle does, but four bytes of it are zero.
bool is_safetensors(std::span<const std::byte> head) {
  uint64_t length = 0;
  if (head.size() <= sizeof(length) || head[sizeof(length)] != std::byte{'{'}) return false;
  std::memcpy(&length, head.data(), sizeof(length));
  return length >> 32 == 0;
}

// From protocol 2 on a pickle says which it is; before, a dictionary begins with a mark or as an empty one.
bool is_pickle(std::span<const std::byte> head) {
  if (head.size() < 2) return false;
  if (head[0] == std::byte{0x80}) return head[1] <= std::byte{5};
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  return text.starts_with("(d") || text.starts_with("}q") || text.starts_with("ccollections\n") ||
         text.starts_with("ccopy_reg\n");
}

// Calls `read`; an Error of what is wrong then begins with the file.
template <class Read>
auto naming(const fs::path& file, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", file.string(), error.what()));
  } catch (const fs::filesystem_error& error) {
    throw FileError(fmt::format("{}: cannot be read: {}", file.string(), error.code().message()));
  }
}

}  // namespace

Checkpoint::Checkpoint() : notes_(std::make_unique<nlohmann::json>(nlohmann::json::object())) {}

void Checkpoint::open_file(const fs::path& file, const std::string& key) {
  constexpr uint64_t kHead = 512;
  const std::vector<std::byte> head = naming(file, [&] { return read_bytes(file, kHead); });
  if (is_safetensors(head)) {
    open_safetensors(file, key);
  } else {
    naming(file, [&] { open_pickle(file, head, key); });
  }
}

void Checkpoint::open_safetensors(const fs::path& file, const std::string& key) {
  if (!key.empty()) {
    throw Error(fmt::format("{}: has no dictionaries, and so none called '{}'", file.string(), key));
  }
  auto source = std::make_unique<SafetensorsSource>(file);
  for (const StoredTensor& tensor : source->file().tensors()) {
    tensors_.push_back({tensor.name, tensor.type, tensor.shape});
  }
  for (const UnreadTensor& tensor : source->file().unread()) {
    unread_.push_back(fmt::format("{} is of type {}", quote_name(tensor.name), quote_name(tensor.type)));
  }
  (*notes_)["metadata"] = source->file().metadata();
  source_ = std::move(source);
}

void Checkpoint::open_pickle(const fs::path& file, std::span<const std::byte> head, const std::string& key) {
  std::unique_ptr<PickleSource> source;
  format_ = Format::pytorch;
  if (TorchFile::is_zip(head)) {
    source = std::make_unique<PickleSource>(file, TorchFile::read_zip(file), key);
  } else if (is_pickle(head)) {
    std::vector<std::byte> bytes = read_bytes(file, fs::file_size(file));
    if (TorchFile::is_legacy(head)) {
      source = std::make_unique<PickleSource>(file, TorchFile::read_legacy(std::move(bytes)), key);
    } else {
      source = std::make_unique<PickleSource>(file, std::move(bytes), key);
      format_ = source->weights().by_paddle ? Format::paddle : Format::arrays;
      layout_ = source->weights().by_paddle ? std::optional(SourceLayout::paddle) : std::nullopt;
    }
  } else {
    const std::string foreign = foreign_format(file, head);
    throw FileError(foreign.empty() ? "is no checkpoint of PyTorch or Paddle and no safetensors file" : foreign);
  }
  const PickledWeights& weights = source->weights();
  key_ = weights.key;
  other_keys_ = weights.other_keys;
  unread_ = weights.unread;
  for (const auto& [name, tensor] : weights.tensors) tensors_.push_back({name, tensor.type, tensor.shape});
  (*notes_)["checkpoint"] = pickled_notes(source->pickle());
  source_ = std::move(source);
}

void Checkpoint::open_parts(const CheckpointFiles& files, const std::string& key) {
  std::vector<Checkpoint> parts;
  std::vector<PartsSource::Place> places;
  std::set<std::string> found;
  for (const fs::path& file : files.files) {
    Checkpoint& part = parts.emplace_back(Checkpoint(file, key));
    for (size_t i = 0; i < part.tensors().size(); ++i) {
      const auto place = files.places.find(part.tensors()[i].name);
      if (place == files.places.end() || place->second != file) continue;
      found.insert(place->first);
      tensors_.push_back(part.tensors()[i]);
      places.push_back({parts.size() - 1, i});
    }
    format_ = part.format();
    layout_ = part.layout();
    unread_.insert(unread_.end(), part.unread().begin(), part.unread().end());
  }
  for (const auto& [tensor, file] : files.places) {
    if (found.contains(tensor)) continue;
    throw Error(fmt::format("{}: lacks tensor {}, which the index {} places there", file.string(), quote_name(tensor),
                            quote_name(path_.filename().string())));
  }
  source_ = std::make_unique<PartsSource>(std::move(parts), std::move(places));
}

Checkpoint::Checkpoint(const fs::path& path, const std::string& key) : Checkpoint() {
  const CheckpointFiles files = naming(path, [&] { return find_checkpoint_files(path); });
  path_ = files.path;
  *notes_ = files.notes;
  if (files.places.empty()) {
    open_file(path_, key);
  } else {
    open_parts(files, key);
  }
}

Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

void Checkpoint::rename(const std::function<std::string(const std::string&)>& new_name) {
  std::set<std::string> names;
  for (Tensor& tensor : tensors_) {
    tensor.name = new_name(tensor.name);
    if (!names.insert(tensor.name).second) {
      throw Error(fmt::format("{}: two tensors would be called {}", path_.string(), quote_name(tensor.name)));
    }
  }
}

std::vector<float> Checkpoint::floats(size_t i) const { return source_->floats(i); }

std::string_view to_string(Checkpoint::Format format) {
  switch (format) {
    case Checkpoint::Format::pytorch: return "PyTorch";
    case Checkpoint::Format::paddle: return "Paddle";
    case Checkpoint::Format::safetensors: return "safetensors";
    case Checkpoint::Format::arrays: return "a pickle of NumPy arrays";
  }
  return "";
}

}  // namespace convoy
