#include "formats/torch_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <cstring>
#include <set>
#include <utility>
#include <variant>

#include "convoy/error.h"
#include "formats/foreign_format.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

constexpr std::string_view kZipStart("PK\x03\x04", 4);
// A pickle of the magic number, and one of the version 1001.
constexpr std::string_view kLegacyStart(
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02\x4d\xe9\x03\x2e", 21);

bool starts_with(std::span<const std::byte> bytes, std::string_view start) {
  return bytes.size() >= start.size() && std::memcmp(bytes.data(), start.data(), start.size()) == 0;
}

struct CloseArchive {
  void operator()(archive* open) const { archive_read_free(open); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

[[noreturn]] void fail(archive* open) {
  const char* reason = archive_error_string(open);
  throw Error(fmt::format("is a damaged zip archive: {}", quote_name(reason == nullptr ? "no reason given" : reason)));
}

// The content of the entry that was reached, of at most `most` bytes.
std::vector<std::byte> read_entry(archive* open, uint64_t most) {
  std::vector<std::byte> content;
  for (;;) {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(open, &block, &size, &offset);
    if (status == ARCHIVE_EOF) return content;
    if (status != ARCHIVE_OK) fail(open);
    if (offset != static_cast<la_int64_t>(content.size())) throw Error("is a damaged zip archive: an entry has gaps");
    if (size > most - content.size()) {
      throw Error("is a compressed zip archive; PyTorch writes, and Convoy reads, archives without compression");
    }
    const auto* begin = static_cast<const std::byte*>(block);
    content.insert(content.end(), begin, begin + size);
  }
}

// "data.pkl" of "resnet/data.pkl".
std::string_view without_folder(std::string_view name) {
  const size_t slash = name.find('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

// What the old form says of the machine that wrote it.
void check_little_endian(const Pickle& system) {
  const auto* about = system.get<PickleDict>(system.root());
  const PickleId order = about == nullptr ? -1 : system.find(*about, "little_endian");
  const bool* little = order < 0 ? nullptr : system.get<bool>(order);
  if (little == nullptr || !*little) throw Error("holds big-endian numbers, which are not supported");
}

std::map<std::string_view, DType> storage_types(const Pickle& pickle) {
  std::map<std::string_view, DType> types;
  for (const PickleValue& value : pickle.values()) {
    if (const auto* storage = std::get_if<PickleStorage>(&value)) types.emplace(storage->key, storage->type);
  }
  return types;
}

}  // namespace

bool TorchFile::is_zip(std::span<const std::byte> head) { return starts_with(head, kZipStart); }
bool TorchFile::is_legacy(std::span<const std::byte> head) { return starts_with(head, kLegacyStart); }

TorchFile TorchFile::read_zip(const std::filesystem::path& path) {
  const Archive open(archive_read_new());
  archive_read_support_format_zip(open.get());
  constexpr size_t kBlock = 1 << 20;
  if (archive_read_open_filename(open.get(), path.c_str(), kBlock) != ARCHIVE_OK) fail(open.get());
  // What is not compressed is no larger than the file, which bounds the memory that it takes.
  uint64_t left = std::filesystem::file_size(path);
  TorchFile file;
  bool has_pickle = false;
  constexpr size_t kMostEntries = 1'000'000;
  std::set<std::string, std::less<>> entries;  // with and without the folder around them
  for (archive_entry* entry = nullptr;;) {
    const int status = archive_read_next_header(open.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) fail(open.get());
    const char* full_name = archive_entry_pathname(entry);
    const std::string name(without_folder(full_name == nullptr ? "" : full_name));
    constexpr std::string_view kData = "data/";
    const bool is_pickle = name == "data.pkl";
    entries.insert(full_name == nullptr ? std::string() : std::string(full_name));
    entries.insert(name);
    if (entries.size() > kMostEntries) throw Error("is a zip archive of too many files");
    if (!is_pickle && name != "byteorder" && !name.starts_with(kData)) continue;
    std::vector<std::byte> content = read_entry(open.get(), left);
    left -= content.size();
    if (is_pickle) {
      if (std::exchange(has_pickle, true)) throw Error("is a zip archive with two files data.pkl");
      file.bytes_ = std::move(content);
    } else if (name == "byteorder") {
      if (!starts_with(content, "little")) throw Error("holds big-endian numbers, which are not supported");
    } else {
      file.entries_.insert_or_assign(name.substr(kData.size()), std::move(content));
    }
  }
  if (const std::string foreign = foreign_archive(entries); !foreign.empty()) throw FileError(foreign);
  if (!has_pickle) throw FileError("is a zip archive without data.pkl, not one that torch.save wrote");
  for (const auto& [key, content] : file.entries_) file.storages_.emplace(key, content);
  file.pickle_ = std::make_unique<Pickle>(file.bytes_);
  return file;
}

TorchFile TorchFile::read_legacy(std::vector<std::byte> bytes) {
  if (!is_legacy(bytes)) throw Error("is no checkpoint of PyTorch before 1.6");
  TorchFile file;
  file.bytes_ = std::move(bytes);
  std::span<const std::byte> rest = std::span<const std::byte>(file.bytes_).subspan(kLegacyStart.size());
  const auto next_pickle = [&rest] {
    auto pickle = std::make_unique<Pickle>(rest);
    rest = rest.subspan(pickle->size());
    return pickle;
  };
  check_little_endian(*next_pickle());
  file.pickle_ = next_pickle();
  const auto keys = next_pickle();
  const auto* list = keys->get<PickleList>(keys->root());
  if (list == nullptr) throw Error("is damaged: the list of its storages is missing");
  const std::map<std::string_view, DType> types = storage_types(*file.pickle_);
  for (const PickleId id : list->items) {
    const auto* key = keys->get<std::string_view>(id);
    const auto type = key == nullptr ? types.end() : types.find(*key);
    if (type == types.end()) throw Error("is damaged: a storage belongs to no tensor");
    uint64_t elements = 0;
    if (rest.size() < sizeof(elements)) throw Error("ends before the last of its storages");
    std::memcpy(&elements, rest.data(), sizeof(elements));
    rest = rest.subspan(sizeof(elements));
    const auto element = static_cast<size_t>(size_of(type->second));
    if (elements > rest.size() / element) throw Error("ends before the last of its storages");
    file.storages_.emplace(*key, rest.first(static_cast<size_t>(elements) * element));
    rest = rest.subspan(static_cast<size_t>(elements) * element);
  }
  return file;
}

std::span<const std::byte> TorchFile::storage(const PickleStorage& storage) const {
  const auto found = storages_.find(storage.key);
  if (found == storages_.end()) throw Error(fmt::format("lacks the storage {}", quote_name(storage.key)));
  const auto element = static_cast<uint64_t>(size_of(storage.type));
  if (static_cast<uint64_t>(storage.elements) > found->second.size() / element) {
    throw Error(fmt::format("storage {} has {} bytes, expected {} of {} bytes", quote_name(storage.key),
                            found->second.size(), storage.elements, element));
  }
  return found->second.first(static_cast<size_t>(storage.elements) * static_cast<size_t>(element));
}

}  // namespace convoy
