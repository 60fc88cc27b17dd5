#include "formats/foreign_format.h"

#include <algorithm>
#include <array>

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSaveStateDict =
    "save its weights from Python with torch.save(model.state_dict(), \"weights.pth\")";
constexpr std::string_view kKeras =
    "save the weights of the same network from PyTorch, or write them with safetensors under PyTorch's names and in "
    "its "
    "layout";

struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view what, advice;
};

using namespace std::string_view_literals;

constexpr Signature kSignatures[] = {
    {0, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them (.h5)", kKeras},
    {0, "GGUF", "a GGUF file, which is for language models", "import the PyTorch or safetensors file it was made of"},
    {4, "TFL3", "a TensorFlow Lite file", kKeras},
    {0, "\x93NUMPY", "a NumPy array (.npy)", "save all tensors under their names with safetensors.numpy.save_file"},
    {0, "\x1f\x8b", "compressed by gzip", "unpack it first: gunzip FILE"},
    {0, "BZh", "compressed by bzip2", "unpack it first: bunzip2 FILE"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "compressed by xz", "unpack it first: unxz FILE"},
    {0, "version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it: git lfs pull"},
    {0, "<!DOCTYPE", "a web page, not the file it links to", "download the file itself"},
    {0, "<!doctype", "a web page, not the file it links to", "download the file itself"},
    {0, "<html", "a web page, not the file it links to", "download the file itself"},
    {0, "<?xml", "an XML file, as OpenVINO writes them", "import the PyTorch or safetensors file it was made of"},
    {257, "ustar", "a tar archive", "unpack it, and import the file in it: tar xf FILE"},
};

struct Ending {
  std::string_view text;
  std::string_view what, advice;
};

constexpr std::string_view kOnnx = "an ONNX file";
constexpr std::string_view kImportOnnx = "convoy import FILE.onnx makes a model file of it";
constexpr std::string_view kFromTensorFlow = "a checkpoint of TensorFlow";
constexpr Ending kEndings[] = {
    {".onnx", kOnnx, kImportOnnx},
    {".ckpt.index", kFromTensorFlow, kKeras},
    {".data-00000-of-00001", kFromTensorFlow, kKeras},
    {".msgpack", "a checkpoint of Flax", kKeras},
    {"saved_model.pb", "a SavedModel of TensorFlow", kKeras},
    {".pb", "a graph of TensorFlow", kKeras},
    {".caffemodel", "a checkpoint of Caffe", kSaveStateDict},
    {".mlmodel", "a Core ML file", kSaveStateDict},
};

std::string sentence(std::string_view what, std::string_view advice) {
  std::string text = "is ";
  text.append(what).append(", which is not read here; ").append(advice);
  return text;
}

// The message of a protocol buffer that ONNX begins with: its version, then who made it or the graph itself.
bool is_onnx(std::span<const std::byte> head) {
  constexpr auto kVersionField = std::byte{0x08}, kProducerField = std::byte{0x12}, kGraphField = std::byte{0x3a};
  return head.size() > 2 && head[0] == kVersionField && head[1] > std::byte{0} && head[1] < std::byte{32} &&
         (head[2] == kProducerField || head[2] == kGraphField);
}

}  // namespace

std::string foreign_format(const fs::path& path, std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Signature& signature : kSignatures) {
    if (text.size() > signature.offset && text.substr(signature.offset).starts_with(signature.bytes)) {
      return sentence(signature.what, signature.advice);
    }
  }
  const std::string name = path.filename().string();
  const auto known = std::ranges::find_if(kEndings, [&](const Ending& ending) { return name.ends_with(ending.text); });
  if (known != std::end(kEndings)) return sentence(known->what, known->advice);
  return is_onnx(head) ? sentence(kOnnx, kImportOnnx) : "";
}

std::string foreign_archive(const std::set<std::string, std::less<>>& entries) {
  const auto has = [&](std::string_view name) { return entries.contains(name); };
  const auto any = [&](auto&& predicate) { return std::ranges::any_of(entries, predicate); };
  if (has("constants.pkl") || any([](const std::string& name) { return name.starts_with("code/"); })) {
    return sentence("a TorchScript archive",
                    "save its weights: torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")");
  }
  if (has("data.pkl")) return "";
  if (has("archive_format") || has("serialized_exported_program.json") || has("models/model.json")) {
    return sentence("a program of torch.export (.pt2)",
                    "save its weights: torch.save(torch.export.load(FILE).state_dict, \"weights.pth\")");
  }
  if (has("model.weights.h5") || has("config.json")) return sentence("a network of Keras (.keras)", kKeras);
  if (!entries.empty() &&
      std::ranges::all_of(entries, [](const std::string& name) { return name.ends_with(".npy"); })) {
    return sentence("an archive of NumPy arrays (.npz)",
                    "save all tensors under their names with safetensors.numpy.save_file");
  }
  if (any([](const std::string& name) { return name.starts_with(".data/"); })) {
    return sentence("a package of torch.package", kSaveStateDict);
  }
  return "";
}

std::string foreign_folder(const fs::path& folder) {
  std::error_code unreadable;
  constexpr std::array<std::pair<std::string_view, Ending>, 4> kFiles{{
      {"saved_model.pb", {"", "a SavedModel of TensorFlow", kKeras}},
      {"tf_model.h5", {"", "a network of Keras", kKeras}},
      {"flax_model.msgpack", {"", "a network of Flax", kKeras}},
      {"checkpoint", {"", "a checkpoint of TensorFlow", kKeras}},
  }};
  for (const auto& [file, ending] : kFiles) {
    if (fs::is_regular_file(folder / file, unreadable)) return sentence(ending.what, ending.advice);
  }
  return "";
}

}  // namespace convoy
