// Shared libraries that few processes need.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {

// A shared library that is loaded when this is constructed, and stays: for those that take longer to load than a small
// network takes to answer.
class LazyLibrary {
 public:
  // A function of the library, to be assigned to a pointer of its type.
  class Function {
   public:
    explicit Function(void* address) : address_(address) {}
    template <class Type>
    operator Type*() const {
      return reinterpret_cast<Type*>(address_);
    }

   private:
    void* address_;
  };

  // Throws Error where there is none of that name.
  explicit LazyLibrary(const char* soname);

  // Throws Error where the library lacks it.
  Function operator[](const char* name) const;

 private:
  const char* soname_;
  void* handle_;
};

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
