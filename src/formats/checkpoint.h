// Checkpoints of other programs: named tensors from PyTorch, Paddle and safetensors files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/source_layout.h"
#include "formats/elements.h"

namespace convoy {

struct CheckpointFiles;  // formats/checkpoint_files.h

class Checkpoint {
 public:
  enum class Format : uint8_t {
    pytorch,
    paddle,
    safetensors,
    arrays  // a pickle of NumPy arrays, by whichever program
  };

  struct Tensor {
    std::string name;
    DType type = DType::f32;
    std::vector<int64_t> shape;
  };

  // Opens a file of any of these formats, told apart by their content, or what find_checkpoint_files finds. The tensors
  // are those of the dictionary that holds the weights, or of the network that was saved as a whole; where the file has
  // several and none is usual, or another is meant, `key` names it, with dots between levels ("ema.state_dict").
  // Throws Error when the file is damaged or of another kind, which it names where it is known.
  explicit Checkpoint(const std::filesystem::path& path, const std::string& key = "");
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  // The file, or the index of several.
  const std::filesystem::path& path() const { return path_; }
  Format format() const { return format_; }
  // How its matrices lie; nullopt: nothing in the file tells. What set_layout was given comes first.
  std::optional<SourceLayout> layout() const { return layout_; }
  void set_layout(SourceLayout layout) { layout_ = layout; }
  // Where in the file the tensors are, "state_dict"; empty: at its top.
  const std::string& key() const { return key_; }
  // Other dictionaries of tensors in the file.
  const std::vector<std::string>& other_keys() const { return other_keys_; }
  // In the order of the file, which of a safetensors file says nothing.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // "NAME is an object of CLASS": what may have been meant as tensors and cannot be read.
  const std::vector<std::string>& unread() const { return unread_; }
  // What stands beside the weights, where it is plain data: "checkpoint" of a pickle, "metadata" of a
  // safetensors file, "config" and "preprocessor_config" of config.json and preprocessor_config.json in a folder.
  const nlohmann::json& notes() const { return *notes_; }
  // Gives every tensor the name that new_name makes of its own. Throws Error when two get the same.
  void rename(const std::function<std::string(const std::string&)>& new_name);
  // The numbers of tensors()[i], row by row. Throws Error when they lie outside of the file's data.
  std::vector<float> floats(size_t i) const;

  // How a file's tensors are read. Errors name the file.
  struct Source {
    virtual ~Source() = default;
    virtual std::vector<float> floats(size_t i) const = 0;
  };

 private:
  Checkpoint();

  std::filesystem::path path_;
  Format format_ = Format::safetensors;
  std::string key_;
  std::vector<std::string> other_keys_;
  void open_file(const std::filesystem::path& file, const std::string& key);
  void open_safetensors(const std::filesystem::path& file, const std::string& key);
  void open_pickle(const std::filesystem::path& file, std::span<const std::byte> head, const std::string& key);
  void open_parts(const CheckpointFiles& files, const std::string& key);

  std::vector<Tensor> tensors_;
  std::vector<std::string> unread_;
  std::optional<SourceLayout> layout_ = SourceLayout::torch;
  std::unique_ptr<nlohmann::json> notes_;
  std::unique_ptr<Source> source_;
};

std::string_view to_string(Checkpoint::Format format);

}  // namespace convoy
