#include "data/lazy_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

LazyLibrary::LazyLibrary(const char* soname) : soname_(soname), handle_(::dlopen(soname, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw FileError(fmt::format("{} cannot be loaded: {}", soname, ::dlerror()));
}

LazyLibrary::Function LazyLibrary::operator[](const char* name) const {
  void* address = ::dlsym(handle_, name);
  if (address == nullptr) throw FileError(fmt::format("{} lacks {}; install a newer one", soname_, name));
  return Function(address);
}

}  // namespace convoy
