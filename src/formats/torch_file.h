// PyTorch's checkpoint files: a pickle, and the numbers of its tensors beside it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/pickle.h"

namespace convoy {

// A file that torch.save wrote: a zip archive, or the form from before torch 1.6. Throws Error for a damaged or
// compressed archive, for one of big-endian numbers, and as Pickle does.
class TorchFile {
 public:
  // Whether a file that begins with these bytes may be one.
  static bool is_zip(std::span<const std::byte> head);
  static bool is_legacy(std::span<const std::byte> head);

  static TorchFile read_zip(const std::filesystem::path& path);
  // Holds on to `bytes`.
  static TorchFile read_legacy(std::vector<std::byte> bytes);

  const Pickle& pickle() const { return *pickle_; }
  // The bytes of a storage, as many as its type and elements ask for. Throws Error when the file lacks them.
  std::span<const std::byte> storage(const PickleStorage& storage) const;

 private:
  std::vector<std::byte> bytes_;                                        // of the pickle or, in the old form, of all
  std::map<std::string, std::vector<std::byte>, std::less<>> entries_;  // of an archive, by key
  std::map<std::string, std::span<const std::byte>, std::less<>> storages_;  // by key
  std::unique_ptr<Pickle> pickle_;
};

}  // namespace convoy
