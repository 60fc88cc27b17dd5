// The files that a checkpoint consists of: one, or several with an index, in a folder with descriptions of the network.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace convoy {

struct CheckpointFiles {
  std::filesystem::path path;  // the one file, or the index
  std::vector<std::filesystem::path> files;
  // The file of every tensor, as an index has it; empty where there is none.
  std::map<std::string, std::filesystem::path> places;
  // Beside the weights, by the names of their files without ".json": config, preprocessor_config.
  nlohmann::json notes = nlohmann::json::object();
};

// Of a file, of an index (*.index.json), or of a folder that holds model.safetensors, pytorch_model.bin, the index of
// one of these, or a single other checkpoint. Throws Error, which names no path, when there is none, when an index or
// a description is damaged, and when an index names files outside of its folder.
CheckpointFiles find_checkpoint_files(const std::filesystem::path& path);

}  // namespace convoy
