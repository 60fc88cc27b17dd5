#include "formats/checkpoint.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "convoy/error.h"
#include "formats/pickle.h"
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
  PickleSource(TorchFile file, const std::string& key)
      : torch_(std::move(file)), weights_(find_pickled_weights(torch_->pickle(), key)) {}
  // A pickle of NumPy arrays.
  PickleSource(std::vector<std::byte> bytes, const std::string& key)
      : bytes_(std::move(bytes)),
        pickle_(std::make_unique<Pickle>(bytes_)),
        weights_(find_pickled_weights(*pickle_, key)) {}

  const PickledWeights& weights() const { return weights_; }

  std::vector<float> floats(size_t i) const override {
    const PickledWeights::Tensor& tensor = weights_.tensors[i];
    try {
      return pickled_floats(tensor.tensor, [this](const PickleStorage& storage) {
        if (!torch_) throw Error("refers to numbers outside of the file");
        return torch_->storage(storage);
      });
    } catch (const Error& error) {
      throw Error(fmt::format("tensor {} {}", quote_name(tensor.name), error.what()));
    }
  }

 private:
  std::optional<TorchFile> torch_;
  std::vector<std::byte> bytes_;
  std::unique_ptr<Pickle> pickle_;
  PickledWeights weights_;
};

std::vector<std::byte> read_bytes(const fs::path& path, uint64_t most) {
  std::ifstream stream(path, std::ios::binary);
  std::vector<std::byte> bytes(static_cast<size_t>(std::min<uint64_t>(most, fs::file_size(path))));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) throw Error(fmt::format("cannot be read: {}", std::strerror(errno)));
  return bytes;
}

// The length of a header and its brace. A length may begin as a pickle does, but four bytes of it are zero.
bool is_safetensors(std::span<const std::byte> head) {
  uint64_t length = 0;
  if (head.size() <= sizeof(length) || head[sizeof(length)] != std::byte{'{'}) return false;
  std::memcpy(&length, head.data(), sizeof(length));
  return length >> 32 == 0;
}

// Null: it is a safetensors file.
std::unique_ptr<PickleSource> open_pickle(const fs::path& path, const std::string& key, Checkpoint::Format& format) {
  constexpr uint64_t kHead = 64;
  const std::vector<std::byte> head = read_bytes(path, kHead);
  format = Checkpoint::Format::pytorch;
  if (TorchFile::is_zip(head)) return std::make_unique<PickleSource>(TorchFile::read_zip(path), key);
  if (is_safetensors(head)) return nullptr;
  const bool is_pickle = head.size() > 1 && head[0] == std::byte{0x80} && head[1] <= std::byte{5};
  if (!is_pickle) throw Error("is no checkpoint of PyTorch or Paddle and no safetensors file");
  std::vector<std::byte> bytes = read_bytes(path, fs::file_size(path));
  if (TorchFile::is_legacy(head)) return std::make_unique<PickleSource>(TorchFile::read_legacy(std::move(bytes)), key);
  format = Checkpoint::Format::paddle;
  return std::make_unique<PickleSource>(std::move(bytes), key);
}

}  // namespace

Checkpoint::Checkpoint(const fs::path& path, const std::string& key) : path_(path) {
  try {
    if (!fs::exists(path)) throw Error("there is no such file");
    if (!fs::is_regular_file(path)) throw Error("is not a file");
    if (auto pickle = open_pickle(path, key, format_)) {
      key_ = pickle->weights().key;
      other_keys_ = pickle->weights().other_keys;
      for (const auto& [name, tensor] : pickle->weights().tensors)
        tensors_.push_back({name, tensor.type, tensor.shape});
      source_ = std::move(pickle);
      return;
    }
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", path.string(), error.what()));
  } catch (const fs::filesystem_error& error) {
    throw Error(fmt::format("{}: cannot be read: {}", path.string(), error.code().message()));
  }
  if (!key.empty()) throw Error(fmt::format("{}: has no dictionaries, and so none called '{}'", path.string(), key));
  auto file = std::make_unique<SafetensorsSource>(path);
  for (const StoredTensor& tensor : file->file().tensors())
    tensors_.push_back({tensor.name, tensor.type, tensor.shape});
  source_ = std::move(file);
  format_ = Format::safetensors;
}

Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

std::vector<float> Checkpoint::floats(size_t i) const {
  try {
    return source_->floats(i);
  } catch (const Error& error) {
    if (format_ == Format::safetensors) throw;  // names its file itself
    throw Error(fmt::format("{}: {}", path_.string(), error.what()));
  }
}

std::string_view to_string(Checkpoint::Format format) {
  switch (format) {
    case Checkpoint::Format::pytorch: return "PyTorch";
    case Checkpoint::Format::paddle: return "Paddle";
    case Checkpoint::Format::safetensors: return "safetensors";
  }
  return "";
}

}  // namespace convoy
