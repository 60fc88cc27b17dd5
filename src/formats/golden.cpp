#include "formats/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "convoy/error.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

using nlohmann::json;

constexpr const char* kMetadataKey = "golden";
constexpr int kDeepest = 2;
constexpr int64_t kDigestWidth = 2 + Digest::kSamples;

// The settings of a golden file: reads members, and throws Error naming the one that is missing or no good.
class Settings {
 public:
  explicit Settings(const json& object) : object_(object) {}

  int64_t integer(const char* key, int64_t least, int64_t most) const {
    const json& value = member(key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > static_cast<uint64_t>(most) ||
        value.get<int64_t>() < least) {
      throw Error(
          fmt::format("setting \"{}\" is {}, expected an integer from {} to {}", key, shown(value), least, most));
    }
    return value.get<int64_t>();
  }
  double number(const char* key) const {
    const json& value = member(key);
    if (!value.is_number()) throw Error(fmt::format("setting \"{}\" is {}, expected a number", key, shown(value)));
    return value.get<double>();
  }
  std::string text(const char* key) const {
    const json& value = member(key);
    if (!value.is_string()) throw Error(fmt::format("setting \"{}\" is {}, expected text", key, shown(value)));
    return value.get<std::string>();
  }
  std::vector<std::string> names(const char* key) const {
    const json& value = member(key);
    const auto is_string = [](const json& item) { return item.is_string(); };
    if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_string)) {
      throw Error(fmt::format("setting \"{}\" is {}, expected a list of names", key, shown(value)));
    }
    auto list = value.get<std::vector<std::string>>();
    if (std::set<std::string>(list.begin(), list.end()).size() != list.size()) {
      throw Error(fmt::format("setting \"{}\" has a name twice", key));
    }
    return list;
  }
  Settings object(const char* key) const {
    const json& value = member(key);
    if (!value.is_object()) throw Error(fmt::format("setting \"{}\" is {}, expected an object", key, shown(value)));
    return Settings(value);
  }
  void require(const char* key, const json& expected) const {
    if (member(key) != expected) {
      throw Error(fmt::format("setting \"{}\" is {}, expected {}", key, shown(member(key)), expected.dump()));
    }
  }

 private:
  static std::string shown(const json& value) { return quote_name(value.dump()); }
  const json& member(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) throw Error(fmt::format("setting \"{}\" is missing", key));
    return *found;
  }

  const json& object_;
};

}  // namespace

Golden::Golden(const std::filesystem::path& path) : file_(path) {
  const auto settings = file_.metadata().find(kMetadataKey);
  try {
    if (settings == file_.metadata().end()) throw FileError("is no golden file: it has no metadata entry \"golden\"");
    read_settings(settings->second);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", path.string(), error.what()));
  }
  check_tensors();
}

void Golden::read_settings(const std::string& text) {
  const json parsed = parse_strict_json(text, kDeepest, "the metadata entry \"golden\"");
  const Settings settings(parsed);
  model_ = settings.text("model");
  classes_ = settings.integer("classes", 1, 1 << 20);
  batch_ = settings.integer("batch", 1, 256);
  size_ = settings.integer("size", 1, 1024);
  seed_ = static_cast<uint64_t>(settings.integer("seed", 0, int64_t{1} << 62));
  parameters_ = settings.names("parameters");
  compact_ = parsed.contains("compact");
  if (compact_) {
    settings.require("compact", true);
    buffers_ = settings.names("buffers");
    if (parsed.contains("norm_bias")) norm_bias_ = static_cast<float>(settings.number("norm_bias"));
  }
  const Settings loss = settings.object("loss");
  loss.require("name", "cross_entropy");
  loss.require("reduction", "mean");
  const Settings optimizer = settings.object("optimizer");
  optimizer.require("name", "sgd");
  optimizer.require("nesterov", false);
  optimizer.require("dampening", 0);
  step_ = {optimizer.number("lr"), optimizer.number("momentum"), optimizer.number("weight_decay"),
           loss.number("label_smoothing")};
  if (step_.momentum <= 0) {
    throw Error(fmt::format("setting \"momentum\" is {}, expected a step with momentum", step_.momentum));
  }
  const Settings error = settings.object("float32_error");
  float32_error_ = {error.number("logits"), error.number("grad")};
}

void Golden::check_tensors() {
  require_shape("logits", std::array{batch_, classes_});
  require_shape("after/logits", std::array{batch_, classes_});
  require_shape("loss", {});
  if (compact_) {
    for (const Kind kind : {Kind::grad, Kind::after_parameter, Kind::after_buffer}) {
      const auto rows = static_cast<int64_t>(kind == Kind::after_buffer ? buffers_.size() : parameters_.size());
      if (rows == 0) continue;
      const std::string name = kind == Kind::grad              ? "grad"
                               : kind == Kind::after_parameter ? "after/param"
                                                               : "after/buffer";
      require_shape(name, std::array{rows, kDigestWidth});
      digests_[static_cast<size_t>(kind)] = file_.doubles(name);
    }
    return;
  }
  constexpr std::string_view kBuffer = "buffer/";
  for (const StoredTensor& tensor : file_.tensors()) {
    const bool floating = tensor.type == DType::f32 || tensor.type == DType::f64;
    if (tensor.name.starts_with(kBuffer) && floating) buffers_.push_back(tensor.name.substr(kBuffer.size()));
  }
  require_shape("input", std::array{batch_, int64_t{3}, size_, size_});
  require_shape("labels", std::array{batch_});
  const auto start_shape = [this](const std::string& name) {
    const StoredTensor& tensor = file_.tensor(name);
    if (tensor.elements == 0) {
      throw Error(fmt::format("{}: tensor {} has no elements", path().string(), quote_name(name)));
    }
    return tensor.shape;
  };
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const std::vector<int64_t> shape = start_shape("param/" + parameters_[i]);
    require_shape(tensor_name(Kind::grad, i), shape);
    require_shape(tensor_name(Kind::after_parameter, i), shape);
  }
  for (size_t i = 0; i < buffers_.size(); ++i) {
    require_shape(tensor_name(Kind::after_buffer, i), start_shape("buffer/" + buffers_[i]));
  }
}

void Golden::require_shape(std::string_view name, std::span<const int64_t> shape) const {
  const StoredTensor& tensor = file_.tensor(name);
  if (!std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end())) {
    throw Error(fmt::format("{}: tensor {} has shape [{}], expected [{}]", path().string(), quote_name(name),
                            fmt::join(tensor.shape, ", "), fmt::join(shape, ", ")));
  }
}

std::vector<float> Golden::start_value(std::string_view prefix, std::string_view name,
                                       std::span<const int64_t> shape) const {
  if (compact_) return formula_value(name, seed_, shape);
  const std::string full = fmt::format("{}{}", prefix, name);
  require_shape(full, shape);
  return file_.floats(full);
}

bool Golden::is_norm_bias(std::string_view name) const {
  constexpr std::string_view kBias = ".bias";
  if (!name.ends_with(kBias)) return false;
  name.remove_suffix(kBias.size());
  return std::ranges::find(buffers_, std::string(name) + ".running_mean") != buffers_.end();
}

std::vector<float> Golden::parameter(std::string_view name, std::span<const int64_t> shape) const {
  std::vector<float> values = start_value("param/", name, shape);
  if (is_norm_bias(name)) {
    for (float& value : values) value += norm_bias_;
  }
  return values;
}

std::vector<float> Golden::buffer(std::string_view name, std::span<const int64_t> shape) const {
  return start_value("buffer/", name, shape);
}

std::vector<float> Golden::images() const {
  return compact_ ? formula_images(seed_, batch_, size_) : file_.floats("input");
}

std::vector<int64_t> Golden::labels() const {
  if (compact_) return formula_labels(seed_, batch_, classes_);
  std::vector<int64_t> labels = file_.integers("labels");
  for (const int64_t label : labels) {
    if (label < 0 || label >= classes_) {
      throw Error(
          fmt::format("{}: tensor \"labels\" holds {}, expected 0 to {}", path().string(), label, classes_ - 1));
    }
  }
  return labels;
}

std::string Golden::tensor_name(Kind kind, size_t i) const {
  switch (kind) {
    case Kind::grad: return "grad/" + parameters_[i];
    case Kind::after_parameter: return "after/param/" + parameters_[i];
    case Kind::after_buffer: return "after/buffer/" + buffers_[i];
  }
  return {};
}

Digest Golden::expected_digest(Kind kind, size_t i) const {
  if (!compact_) return digest(expected(kind, i));
  const auto row = std::span(digests_[static_cast<size_t>(kind)]).subspan(i * kDigestWidth, kDigestWidth);
  Digest result{.norm = row[0], .sum = row[1], .samples = {}};
  std::copy(row.begin() + 2, row.end(), result.samples.begin());
  return result;
}

std::vector<float> Golden::expected(Kind kind, size_t i) const { return file_.floats(tensor_name(kind, i)); }

bool is_golden(const std::filesystem::path& path) { return SafetensorsReader(path).metadata().contains(kMetadataKey); }

}  // namespace convoy
