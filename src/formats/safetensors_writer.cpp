#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "convoy/error.h"
#include "formats/atomic_file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_header.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

int64_t checked_elements(const TensorToStore& tensor, const std::filesystem::path& path) {
  int64_t elements = 1;
  for (const int64_t extent : tensor.shape) elements *= extent;
  if (static_cast<size_t>(elements * size_of(tensor.type)) != tensor.data.size()) {
    throw InternalError(fmt::format("{}: tensor {} of type {} and shape [{}] was given {} bytes", path.string(),
                                    quote_name(tensor.name), to_string(tensor.type), fmt::join(tensor.shape, ", "),
                                    tensor.data.size()));
  }
  return elements;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::vector<TensorToStore> tensors,
                       const std::map<std::string, std::string>& metadata) {
  // The order of the reference implementation: wide types first keep every tensor aligned to its element.
  const auto less = [](const TensorToStore& a, const TensorToStore& b) {
    return std::tie(a.type, a.name) < std::tie(b.type, b.name);
  };
  std::sort(tensors.begin(), tensors.end(), less);

  SafetensorsHeader header{.metadata = metadata, .tensors = {}, .unread = {}};
  std::vector<std::span<const std::byte>> pieces(2);
  uint64_t offset = 0;
  for (const TensorToStore& tensor : tensors) {
    header.tensors.push_back({tensor.name, tensor.type, tensor.shape, checked_elements(tensor, path), offset});
    pieces.push_back(tensor.data);
    offset += tensor.data.size();
  }
  std::string text;
  try {
    text = format_safetensors_header(header);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", path.string(), error.what()));
  }
  const uint64_t length = text.size();
  pieces[0] = std::as_bytes(std::span(&length, 1));
  pieces[1] = std::as_bytes(std::span(text));
  write_file_atomically(path, pieces);
}

}  // namespace convoy
