// Checkpoints of other programs: named tensors from PyTorch, Paddle and safetensors files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/stored_type.h"

namespace convoy {

class Checkpoint {
 public:
  enum class Format : uint8_t { pytorch, paddle, safetensors };

  struct Tensor {
    std::string name;
    StoredType type = StoredType::f32;
    std::vector<int64_t> shape;
  };

  // Opens a file of any of these formats, told apart by their content. The tensors are those of the dictionary that
  // holds the weights; where the file has several and none is usual, or another is meant, `key` names it, with dots
  // between levels ("ema.state_dict"). Throws Error when the file is damaged, of another kind, or asks for anything but
  // data.
  explicit Checkpoint(const std::filesystem::path& path, const std::string& key = "");
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  const std::filesystem::path& path() const { return path_; }
  Format format() const { return format_; }
  // Where in the file the tensors are, "state_dict"; empty: at its top.
  const std::string& key() const { return key_; }
  // Other dictionaries of tensors in the file.
  const std::vector<std::string>& other_keys() const { return other_keys_; }
  // In the order of the file, which of a safetensors file says nothing.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // The numbers of tensors()[i], row by row. Throws Error when they lie outside of the file's data.
  std::vector<float> floats(size_t i) const;

  // How a file's tensors are read.
  struct Source {
    virtual ~Source() = default;
    virtual std::vector<float> floats(size_t i) const = 0;
  };

 private:
  std::filesystem::path path_;
  Format format_ = Format::safetensors;
  std::string key_;
  std::vector<std::string> other_keys_;
  std::vector<Tensor> tensors_;
  std::unique_ptr<Source> source_;
};

std::string_view to_string(Checkpoint::Format format);

}  // namespace convoy
