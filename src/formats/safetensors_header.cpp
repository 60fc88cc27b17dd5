#include "formats/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "convoy/error.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

using nlohmann::json;

// {"name": {"shape": [1]}} is three levels deep.
constexpr int kDeepest = 3;

const json* member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

// The array of unsigned integers under `key`, each at most 2^62.
std::vector<int64_t> extents(const json& entry, const char* key, const std::string& tensor) {
  const json* array = member(entry, key);
  const auto good = [](const json& number) {
    return number.is_number_unsigned() && number.get<uint64_t>() <= uint64_t{1} << 62;
  };
  if (array == nullptr || !array->is_array() || !std::all_of(array->begin(), array->end(), good)) {
    throw Error(fmt::format("tensor {}: \"{}\" is missing or no list of sizes", tensor, key));
  }
  return array->get<std::vector<int64_t>>();
}

std::string type_name(const json& entry, const std::string& tensor) {
  const json* name = member(entry, "dtype");
  if (name == nullptr || !name->is_string()) throw Error(fmt::format("tensor {}: \"dtype\" is missing", tensor));
  return name->get<std::string>();
}

// Product of the extents, if it is at most `limit`.
std::optional<int64_t> product_up_to(int64_t limit, const std::vector<int64_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  int64_t product = 1;
  for (const int64_t extent : shape) {
    if (extent > limit / product) return std::nullopt;
    product *= extent;
  }
  return product;
}

void parse_tensor(const std::string& name, const json& entry, uint64_t data_bytes, SafetensorsHeader& header) {
  const std::string shown = quote_name(name);
  if (!entry.is_object()) throw Error(fmt::format("tensor {}: its entry is not an object", shown));
  const std::vector<int64_t> offsets = extents(entry, "data_offsets", shown);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || static_cast<uint64_t>(offsets[1]) > data_bytes) {
    throw Error(fmt::format("tensor {}: data_offsets [{}] lie outside the {} bytes of data", shown,
                            fmt::join(offsets, ", "), data_bytes));
  }
  const auto offset = static_cast<uint64_t>(offsets[0]);
  const int64_t bytes = offsets[1] - offsets[0];
  const std::string type = type_name(entry, shown);
  const std::vector<int64_t> shape = extents(entry, "shape", shown);
  const std::optional<DType> known = dtype_from_string(type);
  if (!known) {
    header.unread.push_back({name, type, offset, static_cast<uint64_t>(bytes)});
    return;
  }
  const std::optional<int64_t> elements = product_up_to(bytes / size_of(*known), shape);
  if (!elements || *elements * size_of(*known) != bytes) {
    throw Error(fmt::format("tensor {}: {} bytes of data do not agree with type {} and shape [{}]", shown, bytes, type,
                            fmt::join(shape, ", ")));
  }
  header.tensors.push_back({name, *known, shape, *elements, offset});
}

std::map<std::string, std::string> parse_metadata(const json& entry) {
  if (!entry.is_object()) throw Error("the header's \"__metadata__\" is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) throw Error(fmt::format("metadata entry {} is not a string", quote_name(key)));
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

// The format allows neither gap nor overlap, so that no byte is hidden or shared.
void check_coverage(const SafetensorsHeader& header, uint64_t data_bytes) {
  struct Part {
    uint64_t offset, bytes;
    std::string_view name;
  };
  std::vector<Part> parts;
  for (const StoredTensor& tensor : header.tensors) {
    parts.push_back({tensor.offset, static_cast<uint64_t>(tensor.elements * size_of(tensor.type)), tensor.name});
  }
  for (const UnreadTensor& tensor : header.unread) parts.push_back({tensor.offset, tensor.bytes, tensor.name});
  std::ranges::stable_sort(parts, {}, [](const Part& part) { return std::pair(part.offset, part.bytes); });
  uint64_t end = 0;
  for (const Part& part : parts) {
    if (part.offset != end) {
      throw Error(
          fmt::format("tensor {} starts at data byte {}, expected {}: tensors may neither overlap nor leave gaps",
                      quote_name(part.name), part.offset, end));
    }
    end += part.bytes;
  }
  if (end != data_bytes) throw Error(fmt::format("the tensors cover {} of {} bytes of data", end, data_bytes));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes) {
  const json parsed = parse_strict_json(text, kDeepest, "the header");
  SafetensorsHeader header;
  for (const auto& [name, entry] : parsed.items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(entry);
    } else {
      parse_tensor(name, entry, data_bytes, header);
    }
  }
  const auto place = [](const StoredTensor& t) { return std::pair(t.offset, t.elements); };
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [&](const StoredTensor& a, const StoredTensor& b) { return place(a) < place(b); });
  check_coverage(header, data_bytes);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  nlohmann::ordered_json entries = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) entries["__metadata__"] = header.metadata;
  std::set<std::string_view> names{"__metadata__"};
  for (const StoredTensor& tensor : header.tensors) {
    if (!names.insert(tensor.name).second)
      throw Error(fmt::format("two tensors are called {}", quote_name(tensor.name)));
    const uint64_t end = tensor.offset + static_cast<uint64_t>(tensor.elements * size_of(tensor.type));
    entries[tensor.name] = {
        {"dtype", to_string(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {tensor.offset, end}}};
  }
  std::string text;
  try {
    text = entries.dump();
  } catch (const json::exception& error) {
    throw Error(fmt::format("a name or metadata entry is not UTF-8: {}", quote_name(error.what())));
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace convoy
