// The names of Hugging Face transformers (https://github.com/huggingface/transformers): ResNetForImageClassification,
// MobileNetV2ForImageClassification and SwinForImageClassification.
#include "models/names/tables.h"

namespace convoy {
namespace {

constexpr SourceNetwork kResNets[] = {{"resnet-18", "resnet18"},
                                      {"resnet-34", "resnet34"},
                                      {"resnet-50", "resnet50"},
                                      {"resnet-101", "resnet101"},
                                      {"resnet-152", "resnet152"}};
constexpr ModuleRule kResidual[] = {
    {"conv1", "layer.0.convolution"},         {"bn1", "layer.0.normalization"},
    {"conv2", "layer.1.convolution"},         {"bn2", "layer.1.normalization"},
    {"conv3", "layer.2.convolution"},         {"bn3", "layer.2.normalization"},
    {"downsample.0", "shortcut.convolution"}, {"downsample.1", "shortcut.normalization"}};
constexpr PlaceRule kPlacesResNet[] = {{"conv1", "resnet.embedder.embedder.convolution"},
                                       {"bn1", "resnet.embedder.embedder.normalization"},
                                       {"layer#.#", "resnet.encoder.stages.#-1.layers.#", kResidual},
                                       {"fc", "classifier.1"}};

// Its weights come from TensorFlow, and so do eps and padding.
constexpr SourceNetwork kMobileNet[] = {{"mobilenet_v2_1.0_224", "mobilenet_v2", {}, 1e-3F, true}};
constexpr ModuleRule kFirstBlock[] = {{"0.0", "conv_3x3.convolution"},
                                      {"0.1", "conv_3x3.normalization"},
                                      {"1", "reduce_1x1.convolution"},
                                      {"2", "reduce_1x1.normalization"}};
constexpr ModuleRule kInverted[] = {{"0.0", "expand_1x1.convolution"}, {"0.1", "expand_1x1.normalization"},
                                    {"1.0", "conv_3x3.convolution"},   {"1.1", "conv_3x3.normalization"},
                                    {"2", "reduce_1x1.convolution"},   {"3", "reduce_1x1.normalization"}};
constexpr PlaceRule kPlacesMobileNet[] = {{"features.0.0", "mobilenet_v2.conv_stem.first_conv.convolution"},
                                          {"features.0.1", "mobilenet_v2.conv_stem.first_conv.normalization"},
                                          {"features.1.conv", "mobilenet_v2.conv_stem", kFirstBlock},
                                          {"features.#.conv", "mobilenet_v2.layer.#-2", kInverted},
                                          {"features.18.0", "mobilenet_v2.conv_1x1.convolution"},
                                          {"features.18.1", "mobilenet_v2.conv_1x1.normalization"},
                                          {"classifier.1", "classifier"}};

constexpr SourceNetwork kSwin[] = {{"swin-tiny-patch4-window7-224", "swin_t"}};
constexpr ModuleRule kSwinBlock[] = {{"norm1", "layernorm_before"},
                                     {"attn", "attention.self"},
                                     {"attn.qkv", "attention.self.{query,key,value}"},
                                     {"attn.proj", "attention.output.dense"},
                                     {"norm2", "layernorm_after"},
                                     {"mlp.0", "intermediate.dense"},
                                     {"mlp.3", "output.dense"}};
constexpr PlaceRule kPlacesSwin[] = {{"features.0.0", "swin.embeddings.patch_embeddings.projection"},
                                     {"features.0.2", "swin.embeddings.norm"},
                                     {"features.1.#", "swin.encoder.layers.0.blocks.#", kSwinBlock},
                                     {"features.3.#", "swin.encoder.layers.1.blocks.#", kSwinBlock},
                                     {"features.5.#", "swin.encoder.layers.2.blocks.#", kSwinBlock},
                                     {"features.7.#", "swin.encoder.layers.3.blocks.#", kSwinBlock},
                                     {"features.2", "swin.encoder.layers.0.downsample"},
                                     {"features.4", "swin.encoder.layers.1.downsample"},
                                     {"features.6", "swin.encoder.layers.2.downsample"},
                                     {"norm", "swin.layernorm"},
                                     {"head", "classifier"}};

constexpr Naming kNamings[] = {{Source::hf, kResNets, kPlacesResNet},
                               {Source::hf, kMobileNet, kPlacesMobileNet},
                               {Source::hf, kSwin, kPlacesSwin}};

}  // namespace

std::span<const Naming> hf_namings() { return kNamings; }

}  // namespace convoy
