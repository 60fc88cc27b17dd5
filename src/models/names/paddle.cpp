// PaddleClas's names (https://github.com/PaddlePaddle/PaddleClas). Its ResNet-18 and -34, MobileNetV2 and MobileNetV3
// are other networks: they have convolutions that ours lack, or lack a bias.
#include "models/names/tables.h"

namespace convoy {
namespace {

constexpr int kDepths50[] = {3, 4, 6, 3}, kDepths101[] = {3, 4, 23, 3}, kDepths152[] = {3, 8, 36, 3};
constexpr SourceNetwork kResNets[] = {{"ResNet50", "resnet50", kDepths50},
                                      {"ResNet101", "resnet101", kDepths101},
                                      {"ResNet152", "resnet152", kDepths152}};
constexpr ModuleRule kResidual[] = {
    {"conv1", "conv0.conv"}, {"bn1", "conv0.bn"}, {"conv2", "conv1.conv"},        {"bn2", "conv1.bn"},
    {"conv3", "conv2.conv"}, {"bn3", "conv2.bn"}, {"downsample.0", "short.conv"}, {"downsample.1", "short.bn"}};
constexpr PlaceRule kPlacesResNet[] = {
    {"conv1", "stem.0.conv"}, {"bn1", "stem.0.bn"}, {"layer#.#", "blocks.&", kResidual}, {"fc", "fc"}};

// Dropout multiplies by a half when it infers, instead of by two when it trains.
constexpr ModuleRule kHalved[] = {{"", "", 0, 0.5F}};
constexpr SourceNetwork kVgg11[] = {{"VGG11", "vgg11"}}, kVgg13[] = {{"VGG13", "vgg13"}},
                        kVgg16[] = {{"VGG16", "vgg16"}}, kVgg19[] = {{"VGG19", "vgg19"}};
constexpr PlaceRule kPlacesVgg11[] = {
    {"features.0", "conv_block_1.conv1"},  {"features.3", "conv_block_2.conv1"},  {"features.6", "conv_block_3.conv1"},
    {"features.8", "conv_block_3.conv2"},  {"features.11", "conv_block_4.conv1"}, {"features.13", "conv_block_4.conv2"},
    {"features.16", "conv_block_5.conv1"}, {"features.18", "conv_block_5.conv2"}, {"classifier.0", "fc1"},
    {"classifier.3", "fc2", kHalved},      {"classifier.6", "fc3", kHalved}};
constexpr PlaceRule kPlacesVgg13[] = {{"features.0", "conv_block_1.conv1"},
                                      {"features.2", "conv_block_1.conv2"},
                                      {"features.5", "conv_block_2.conv1"},
                                      {"features.7", "conv_block_2.conv2"},
                                      {"features.10", "conv_block_3.conv1"},
                                      {"features.12", "conv_block_3.conv2"},
                                      {"features.15", "conv_block_4.conv1"},
                                      {"features.17", "conv_block_4.conv2"},
                                      {"features.20", "conv_block_5.conv1"},
                                      {"features.22", "conv_block_5.conv2"},
                                      {"classifier.0", "fc1"},
                                      {"classifier.3", "fc2", kHalved},
                                      {"classifier.6", "fc3", kHalved}};
constexpr PlaceRule kPlacesVgg16[] = {{"features.0", "conv_block_1.conv1"},  {"features.2", "conv_block_1.conv2"},
                                      {"features.5", "conv_block_2.conv1"},  {"features.7", "conv_block_2.conv2"},
                                      {"features.10", "conv_block_3.conv1"}, {"features.12", "conv_block_3.conv2"},
                                      {"features.14", "conv_block_3.conv3"}, {"features.17", "conv_block_4.conv1"},
                                      {"features.19", "conv_block_4.conv2"}, {"features.21", "conv_block_4.conv3"},
                                      {"features.24", "conv_block_5.conv1"}, {"features.26", "conv_block_5.conv2"},
                                      {"features.28", "conv_block_5.conv3"}, {"classifier.0", "fc1"},
                                      {"classifier.3", "fc2", kHalved},      {"classifier.6", "fc3", kHalved}};
constexpr PlaceRule kPlacesVgg19[] = {{"features.0", "conv_block_1.conv1"},
                                      {"features.2", "conv_block_1.conv2"},
                                      {"features.5", "conv_block_2.conv1"},
                                      {"features.7", "conv_block_2.conv2"},
                                      {"features.10", "conv_block_3.conv1"},
                                      {"features.12", "conv_block_3.conv2"},
                                      {"features.14", "conv_block_3.conv3"},
                                      {"features.16", "conv_block_3.conv4"},
                                      {"features.19", "conv_block_4.conv1"},
                                      {"features.21", "conv_block_4.conv2"},
                                      {"features.23", "conv_block_4.conv3"},
                                      {"features.25", "conv_block_4.conv4"},
                                      {"features.28", "conv_block_5.conv1"},
                                      {"features.30", "conv_block_5.conv2"},
                                      {"features.32", "conv_block_5.conv3"},
                                      {"features.34", "conv_block_5.conv4"},
                                      {"classifier.0", "fc1"},
                                      {"classifier.3", "fc2", kHalved},
                                      {"classifier.6", "fc3", kHalved}};

constexpr SourceNetwork kDarkNet[] = {{"DarkNet53", "darknet53"}};
constexpr ModuleRule kConvNorm[] = {{"conv", "_conv"}, {"bn", "_bn"}};
constexpr ModuleRule kDarkBlock[] = {{"conv1.conv", "_conv1._conv"},
                                     {"conv1.bn", "_conv1._bn"},
                                     {"conv2.conv", "_conv2._conv"},
                                     {"conv2.bn", "_conv2._bn"}};
constexpr PlaceRule kPlacesDarkNet[] = {{"stem", "_conv1", kConvNorm},
                                        {"stages.0.0", "_conv2", kConvNorm},
                                        {"stages.#.0", "_downsample_#-1", kConvNorm},
                                        {"stages.#.#", "_basic_block_##", kDarkBlock},
                                        {"fc", "_out"}};

// Its weights come from TensorFlow, and so do eps and padding.
constexpr int kDepthsS[] = {2, 4, 4, 6, 9, 15}, kDepthsM[] = {3, 5, 5, 7, 14, 18, 5},
              kDepthsL[] = {4, 7, 7, 10, 19, 25, 7};
constexpr SourceNetwork kEfficientNets[] = {{"EfficientNetV2_S", "efficientnetv2_s", kDepthsS, 1e-3F, true},
                                            {"EfficientNetV2_M", "efficientnetv2_m", kDepthsM, 1e-3F, true},
                                            {"EfficientNetV2_L", "efficientnetv2_l", kDepthsL, 1e-3F, true}};
constexpr ModuleRule kPlainBlock[] = {{"0.0", "_project_conv._conv"}, {"0.1", "_norm1"}};
constexpr ModuleRule kFusedBlock[] = {
    {"0.0", "_expand_conv._conv"}, {"0.1", "_norm0"}, {"1.0", "_project_conv._conv"}, {"1.1", "_norm1"}};
constexpr ModuleRule kInverted[] = {{"0.0", "_expand_conv._conv"},     {"0.1", "_norm0"},
                                    {"1.0", "_depthwise_conv._conv"},  {"1.1", "_norm1"},
                                    {"2.fc1", "_se._se_reduce._conv"}, {"2.fc2", "_se._se_expand._conv"},
                                    {"3.0", "_project_conv._conv"},    {"3.1", "_norm2"}};
constexpr PlaceRule kPlacesEfficient[] = {{"features.0.0", "_stem._conv_stem._conv"},
                                          {"features.0.1", "_stem._norm"},
                                          {"features.(1).#.block", "_blocks.&", kPlainBlock},
                                          {"features.(2).#.block", "_blocks.&", kFusedBlock},
                                          {"features.(3).#.block", "_blocks.&", kFusedBlock},
                                          {"features.#.#.block", "_blocks.&", kInverted},
                                          {"features.#.0", "_head._conv_head"},
                                          {"features.#.1", "_head._norm"},
                                          {"classifier.1", "_fc"}};

constexpr SourceNetwork kSwin[] = {{"SwinTransformer_tiny_patch4_window7_224", "swin_t"}};
constexpr ModuleRule kSwinBlock[] = {{"mlp.0", "mlp.fc1"}, {"mlp.3", "mlp.fc2"}};
constexpr PlaceRule kPlacesSwin[] = {{"features.0.0", "patch_embed.proj"},
                                     {"features.0.2", "patch_embed.norm"},
                                     {"features.1.#", "layers.0.blocks.#", kSwinBlock},
                                     {"features.3.#", "layers.1.blocks.#", kSwinBlock},
                                     {"features.5.#", "layers.2.blocks.#", kSwinBlock},
                                     {"features.7.#", "layers.3.blocks.#", kSwinBlock},
                                     {"features.2", "layers.0.downsample"},
                                     {"features.4", "layers.1.downsample"},
                                     {"features.6", "layers.2.downsample"},
                                     {"norm", "norm"},
                                     {"head", "head"}};

constexpr Naming kNamings[] = {{Source::paddle, kResNets, kPlacesResNet},
                               {Source::paddle, kVgg11, kPlacesVgg11},
                               {Source::paddle, kVgg13, kPlacesVgg13},
                               {Source::paddle, kVgg16, kPlacesVgg16},
                               {Source::paddle, kVgg19, kPlacesVgg19},
                               {Source::paddle, kDarkNet, kPlacesDarkNet},
                               {Source::paddle, kEfficientNets, kPlacesEfficient},
                               {Source::paddle, kSwin, kPlacesSwin}};

}  // namespace

std::span<const Naming> paddle_namings() { return kNamings; }

}  // namespace convoy
