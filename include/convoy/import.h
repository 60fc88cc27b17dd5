// Bringing weights of other programs into model files.
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/recipe.h"
#include "convoy/source_layout.h"

namespace convoy {

struct ImportedTensor {
  std::string name;    // in the network
  std::string source;  // in the file; "a, b" where its rows are those of several
  bool transposed = false;
};

struct MisshapenTensor {
  std::string name;
  std::string source;
  std::vector<int64_t> expected, got;  // OIHW, {out, in}
};

// How the tensors of a file fitted a network.
struct ImportReport {
  std::string format;                   // "PyTorch", "Paddle", "safetensors", "ONNX"
  bool whole_network = false;           // the file has the network itself, not only its weights
  std::string key;                      // of the dictionary in the file; empty: the file itself
  std::vector<std::string> other_keys;  // dictionaries of tensors that were passed over
  std::string prefix;                   // taken off the names of the file, "module."
  std::string names;                    // whose names the file has, "timm", "hf" or "paddle"; empty: the network's own
  std::string options;                  // what the network of such names asks for, "--bn-eps 0.001 --padding same"
  bool by_order = false;                // matched by order and shape
  std::string order_problem;            // why that was impossible, where it was tried

  std::vector<ImportedTensor> imported;
  std::vector<std::string> missing;     // of the network; they keep their random start
  std::vector<std::string> unexpected;  // of the file
  std::vector<std::string> unread;      // "NAME is an object of CLASS": of the file, perhaps tensors
  std::vector<MisshapenTensor> misshapen;
  std::vector<std::string> new_head;  // start anew for another number of classes
  int64_t integers = 0;               // tensors that no network has, such as counters of batches
  int64_t num_classes = 0;            // of the network
  int64_t file_classes = 0;

  std::string model;              // the recipe's, or else what the file says
  bool told_class_names = false;  // by the file
  std::string preprocessing;      // that the model file records: "224 px, bilinear, crop 0.875, mean ..., std ..."
  bool told_preprocessing = false;
};

struct ImportOptions {
  // model and, where they are set, what describes images and network: img_size, crop_pct, mean, drop, ... A model that
  // it leaves empty, and what it leaves at the default of the images' preparation, is taken from the file, or from
  // config.json beside it, where these say. Its seed starts what the file lacks.
  Recipe recipe;
  std::optional<int64_t> num_classes = {};    // unset: as the file; another number gives the network a new head
  std::vector<std::string> class_names = {};  // empty: as the file says, or "0", "1", ...
  std::string key = {};                       // the dictionary that holds the weights; empty: the usual ones
  std::string strip = {};                     // taken off the names in the file that begin with it
  // Then, in this order: in every name, each place of the first text becomes the second.
  std::vector<std::pair<std::string, std::string>> rename = {};
  std::optional<SourceLayout> source_layout = {};  // of matrices; unset: as the file's format or shapes tell
  bool allow_missing = false;
  bool allow_unexpected = false;
  // Matches by order and shape, if these leave no doubt, instead of by name. That shows nothing of a network's epsilon,
  // padding and activations: they are as in the recipe.
  bool by_order = false;
};

// Reads a checkpoint of PyTorch (.pth, .pt), Paddle (.pdparams) or safetensors, which may be an index of several files
// or the folder of one, and writes the model file `output` for Classifier and training. Tensors are matched by name:
// ours, which are torchvision's, or those of timm, transformers and PaddleClas, whose epsilon, padding and activations
// the network then gets. Where different networks of a source share the names, the recipe's model,
// "tf_mobilenetv3_large_100", or its bn_eps, padding and act choose. Nothing of the file is executed.
//
// An ONNX model, whose name ends in ".onnx", is a network of its own, for images of one size and their classes: the
// model file holds it, and its architecture is the recipe's model or else the file's name. Of the options, only
// class_names and what the recipe says of images apply (docs/onnx.md). Throws Error for a file that cannot be read, and
// UsageError for tensors that do not fit; `report`, when given, is filled also then. No file is written in that case.
CONVOY_API void import_model(const std::filesystem::path& file, const ImportOptions& options,
                             const std::filesystem::path& output, ImportReport* report = nullptr);

}  // namespace convoy
