// timm's names and versions (https://github.com/huggingface/pytorch-image-models, 1.0.31). The networks that it took
// from TensorFlow, tf_*, share names with its own. Its ResNets have torchvision's names; its cspdarknet53 is another
// network than ours.
#include "models/names/tables.h"

namespace convoy {
namespace {

constexpr float kTensorFlowEps = 1e-3F, kTorchEps = 1e-5F;

constexpr SourceNetwork kResNets[] = {{"resnet18", "resnet18"},
                                      {"resnet34", "resnet34"},
                                      {"resnet50", "resnet50"},
                                      {"resnet101", "resnet101"},
                                      {"resnet152", "resnet152"}};

constexpr int kDepthsV2[] = {1, 2, 3, 4, 3, 3, 1};
constexpr SourceNetwork kMobileNetV2[] = {{"mobilenetv2_100", "mobilenet_v2", kDepthsV2}};
constexpr ModuleRule kFirstBlockV2[] = {{"0.0", "conv_dw"}, {"0.1", "bn1"}, {"1", "conv_pw"}, {"2", "bn2"}};
constexpr ModuleRule kBlockV2[] = {{"0.0", "conv_pw"}, {"0.1", "bn1"},    {"1.0", "conv_dw"},
                                   {"1.1", "bn2"},     {"2", "conv_pwl"}, {"3", "bn3"}};
constexpr PlaceRule kPlacesV2[] = {{"features.0.0", "conv_stem"},
                                   {"features.0.1", "bn1"},
                                   {"features.1.conv", "blocks.0.0", kFirstBlockV2},
                                   {"features.@.conv", "blocks.@", kBlockV2},
                                   {"features.18.0", "conv_head"},
                                   {"features.18.1", "bn2"},
                                   {"classifier.1", "classifier"}};

constexpr int kDepthsLarge[] = {1, 2, 3, 4, 2, 3, 1}, kDepthsSmall[] = {1, 2, 3, 2, 3, 1};
constexpr SourceNetwork kMobileNetsV3[] = {
    {"mobilenetv3_large_100", "mobilenet_v3_large", kDepthsLarge, kTorchEps},
    {"tf_mobilenetv3_large_100", "mobilenet_v3_large", kDepthsLarge, kTensorFlowEps, true},
    {"mobilenetv3_small_100", "mobilenet_v3_small", kDepthsSmall, kTorchEps},
    {"tf_mobilenetv3_small_100", "mobilenet_v3_small", kDepthsSmall, kTensorFlowEps, true}};
// The first blocks of both.
constexpr ModuleRule kFirstBlockV3[] = {{"0.0", "conv_dw"},          {"0.1", "bn1"},     {"1.fc1", "se.conv_reduce"},
                                        {"1.fc2", "se.conv_expand"}, {"1.0", "conv_pw"}, {"1.1", "bn2"},
                                        {"2.0", "conv_pw"},          {"2.1", "bn2"}};
// Blocks with and without squeeze and excitation.
constexpr ModuleRule kBlockV3[] = {{"0.0", "conv_pw"},          {"0.1", "bn1"},
                                   {"1.0", "conv_dw"},          {"1.1", "bn2"},
                                   {"2.fc1", "se.conv_reduce"}, {"2.fc2", "se.conv_expand"},
                                   {"2.0", "conv_pwl"},         {"2.1", "bn3"},
                                   {"3.0", "conv_pwl"},         {"3.1", "bn3"}};
constexpr ModuleRule kLastConvV3[] = {{"0", "conv"}, {"1", "bn1"}};
constexpr ModuleRule kPointwise[] = {{"", "", 1}};
constexpr PlaceRule kPlacesV3[] = {{"features.0.0", "conv_stem"},
                                   {"features.0.1", "bn1"},
                                   {"features.1.block", "blocks.0.0", kFirstBlockV3},
                                   {"features.@.block", "blocks.@", kBlockV3},
                                   {"features.@", "blocks.@", kLastConvV3},
                                   {"classifier.0", "conv_head", kPointwise},
                                   {"classifier.3", "classifier"}};

constexpr SourceNetwork kEfficientNetsV2[] = {{"efficientnetv2_s", "efficientnetv2_s", {}, kTorchEps},
                                              {"tf_efficientnetv2_s", "efficientnetv2_s", {}, kTensorFlowEps, true},
                                              {"efficientnetv2_m", "efficientnetv2_m", {}, kTorchEps},
                                              {"tf_efficientnetv2_m", "efficientnetv2_m", {}, kTensorFlowEps, true},
                                              {"efficientnetv2_l", "efficientnetv2_l", {}, kTorchEps},
                                              {"tf_efficientnetv2_l", "efficientnetv2_l", {}, kTensorFlowEps, true}};
constexpr ModuleRule kConvNorm[] = {{"0.0", "conv"}, {"0.1", "bn1"}};
constexpr ModuleRule kFusedBlock[] = {{"0.0", "conv_exp"}, {"0.1", "bn1"}, {"1.0", "conv_pwl"}, {"1.1", "bn2"}};
constexpr PlaceRule kPlacesEfficient[] = {{"features.0.0", "conv_stem"},
                                          {"features.0.1", "bn1"},
                                          {"features.1.#.block", "blocks.0.#", kConvNorm},
                                          {"features.2.#.block", "blocks.1.#", kFusedBlock},
                                          {"features.3.#.block", "blocks.2.#", kFusedBlock},
                                          {"features.#.#.block", "blocks.#-1.#", kBlockV3},
                                          {"features.#.0", "conv_head"},
                                          {"features.#.1", "bn2"},
                                          {"classifier.1", "classifier"}};

constexpr SourceNetwork kVggs[] = {{"vgg11", "vgg11"},       {"vgg13", "vgg13"},       {"vgg16", "vgg16"},
                                   {"vgg19", "vgg19"},       {"vgg11_bn", "vgg11_bn"}, {"vgg13_bn", "vgg13_bn"},
                                   {"vgg16_bn", "vgg16_bn"}, {"vgg19_bn", "vgg19_bn"}};
constexpr ModuleRule kWholeMap[] = {{"", "", 7}};
constexpr PlaceRule kPlacesVgg[] = {{"features", "features"},
                                    {"classifier.0", "pre_logits.fc1", kWholeMap},
                                    {"classifier.3", "pre_logits.fc2", kPointwise},
                                    {"classifier.6", "head.fc"}};

constexpr SourceNetwork kSwin[] = {{"swin_tiny_patch4_window7_224", "swin_t"}};
constexpr ModuleRule kSwinBlock[] = {{"mlp.0", "mlp.fc1"}, {"mlp.3", "mlp.fc2"}};
constexpr PlaceRule kPlacesSwin[] = {{"features.0.0", "patch_embed.proj"},
                                     {"features.0.2", "patch_embed.norm"},
                                     {"features.1.#", "layers.0.blocks.#", kSwinBlock},
                                     {"features.3.#", "layers.1.blocks.#", kSwinBlock},
                                     {"features.5.#", "layers.2.blocks.#", kSwinBlock},
                                     {"features.7.#", "layers.3.blocks.#", kSwinBlock},
                                     {"features.2", "layers.1.downsample"},
                                     {"features.4", "layers.2.downsample"},
                                     {"features.6", "layers.3.downsample"},
                                     {"norm", "norm"},
                                     {"head", "head.fc"}};

constexpr SourceNetwork kDarkNet[] = {{"darknet53", "darknet53", {}, -1, false, Activation::leaky_relu}};
constexpr PlaceRule kPlacesDarkNet[] = {{"stem", "stem.conv1"},
                                        {"stages.#.0", "stages.#.conv_down"},
                                        {"stages.#.#", "stages.#.blocks.#-1"},
                                        {"fc", "head.fc"}};

constexpr Naming kNamings[] = {{Source::timm, kResNets},
                               {Source::timm, kMobileNetV2, kPlacesV2},
                               {Source::timm, kMobileNetsV3, kPlacesV3},
                               {Source::timm, kEfficientNetsV2, kPlacesEfficient},
                               {Source::timm, kVggs, kPlacesVgg},
                               {Source::timm, kSwin, kPlacesSwin},
                               {Source::timm, kDarkNet, kPlacesDarkNet}};

}  // namespace

std::span<const Naming> timm_namings() { return kNamings; }

}  // namespace convoy
