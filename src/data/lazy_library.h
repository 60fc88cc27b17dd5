// Decoders' libraries that are loaded by the first image that needs them.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "convoy/error.h"
#include "core/lazy_library.h"
#include "data/decoders.h"

namespace convoy {

// The one Library, a struct of functions, which is loaded when an image needs it first. Throws UnsupportedImage, with
// the image's name, where that fails.
template <class Library>
const Library& loaded(std::string_view image) {
  try {
    static const Library kLibrary;
    return kLibrary;
  } catch (const Error& error) {
    throw UnsupportedImage(fmt::format("{}: {}", image, error.what()));
  }
}

}  // namespace convoy
