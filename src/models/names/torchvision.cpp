// torchvision's networks, whose names are ours.
#include "models/names/tables.h"

namespace convoy {
namespace {

constexpr SourceNetwork kNetworks[] = {{"resnet18", "resnet18"},
                                       {"resnet34", "resnet34"},
                                       {"resnet50", "resnet50"},
                                       {"resnet101", "resnet101"},
                                       {"resnet152", "resnet152"},
                                       {"vgg11", "vgg11"},
                                       {"vgg13", "vgg13"},
                                       {"vgg16", "vgg16"},
                                       {"vgg19", "vgg19"},
                                       {"vgg11_bn", "vgg11_bn"},
                                       {"vgg13_bn", "vgg13_bn"},
                                       {"vgg16_bn", "vgg16_bn"},
                                       {"vgg19_bn", "vgg19_bn"},
                                       {"mobilenet_v2", "mobilenet_v2"},
                                       {"mobilenet_v3_large", "mobilenet_v3_large"},
                                       {"mobilenet_v3_small", "mobilenet_v3_small"},
                                       {"efficientnet_v2_s", "efficientnetv2_s"},
                                       {"efficientnet_v2_m", "efficientnetv2_m"},
                                       {"efficientnet_v2_l", "efficientnetv2_l"},
                                       {"swin_t", "swin_t"}};

constexpr Naming kNamings[] = {{Source::torchvision, kNetworks}};

}  // namespace

std::span<const Naming> torchvision_namings() { return kNamings; }

}  // namespace convoy
