// The preprocessing of images as nodes of an ONNX model.
#pragma once

#include <string>

#include "data/transform.h"
#include "inference/onnx_exporter.h"

namespace convoy {

// prepare() and Normalizer (data/transform.h) of the input "images" {N, H, W, 3} of bytes, as {N, 3, S, S}; returns its
// name. It resizes rows, then columns, and rounds to bytes after each, as Pillow does for most shapes.
std::string preprocessed(OnnxExporter& to, const Preprocessing& preprocessing);

}  // namespace convoy
