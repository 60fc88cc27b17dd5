// What other libraries call the tensors of our networks, and in what their versions of a network compute differently.
//
// A table translates our names, which are torchvision's where it has the network, to those of its source. It serves
// both ways: a file is read by looking up the translated names, and written under them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/activation.h"

namespace convoy {

enum class Source : uint8_t { torchvision, timm, hf, paddle };  // hf: Hugging Face transformers; paddle: PaddleClas

std::string_view to_string(Source source);

// What stands in a name behind its place: "0.1" -> "bn1". A rest that no rule has stays as it is.
struct ModuleRule {
  std::string_view ours, theirs;
  int64_t kernel = 0;  // above 0: the weight, {out, in} here, is a convolution's {out, in / kernel^2, kernel, kernel}
  float factor = 1;    // our weight is theirs times this
};

// The beginning of a name, up to a dot. In `ours` "#" stands for a number, "(2)" for that number, and "@" for the
// number of a block, counted from 1 through all stages. `theirs` takes these in turn: "#" is a number of ours, "#-1"
// one less, "@" stage and number of the block, "2.0", and "&" the number among all of a stage's, from 1, block.
// "{q,k,v}" names several tensors, whose rows one below the other are ours.
struct PlaceRule {
  std::string_view ours, theirs;
  std::span<const ModuleRule> modules = {};
};

// A network of the source. Options that are not set are as in ours.
struct SourceNetwork {
  std::string_view name;             // the source's
  std::string_view model;            // ours
  std::span<const int> depths = {};  // blocks of each stage, where rules count them
  float bn_eps = -1;
  bool same_padding = false;
  Activation activation = Activation::none;
};

// Networks of one source that share rules.
struct Naming {
  Source source = Source::torchvision;
  std::span<const SourceNetwork> networks;
  std::span<const PlaceRule> places = {};  // the first that fits counts; empty: the names are ours
};

// What a tensor of ours is in the source.
struct SourceTensor {
  std::vector<std::string> names;  // of the tensors whose rows are ours
  int64_t kernel = 0;
  float factor = 1;
};

std::span<const Naming> namings();

// nullptr where the source does not have the network.
const Naming* find_naming(Source source, std::string_view model);

// The source's networks that are `model`; none where it does not have it.
std::vector<SourceNetwork> networks_of(const Naming& naming, std::string_view model);

// The network of that name, also with a tag: "tf_mobilenetv3_large_100.in1k"; nullptr when no source has it.
const SourceNetwork* find_source_network(std::string_view name);

// The tensor `name` of our network `model`, which the naming has. Throws Error when no rule fits.
SourceTensor source_tensor(const Naming& naming, std::string_view model, std::string_view name);

}  // namespace convoy
