#include "core/lazy_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

LazyLibrary::LazyLibrary(const char* name) : name_(name), handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw FileError(fmt::format("{} cannot be loaded: {}", name, ::dlerror()));
}

LazyLibrary::Function LazyLibrary::operator[](const char* name) const {
  void* address = ::dlsym(handle_, name);
  if (address == nullptr) throw FileError(fmt::format("{} lacks {}; install a newer one", name_, name));
  return Function(address);
}

}  // namespace convoy
