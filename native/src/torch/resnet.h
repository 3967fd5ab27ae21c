#pragma once

#include <torchferry/register_module.h>

#include <vector>

namespace torchferry {

/// torchvision's resnet18, resnet34, resnet50, resnet101 and resnet152.
std::vector<RegisteredModule> resnets();

}  // namespace torchferry
