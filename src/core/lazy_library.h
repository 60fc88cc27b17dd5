// Shared libraries that few processes need.
#pragma once

#include <string>

namespace convoy {

// A shared library that is loaded when this is constructed, and stays: for those that take longer to load than a small
// network takes to answer, or that are not always there.
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

  // name: as the system's search takes it, or a path. Throws Error where there is none.
  explicit LazyLibrary(const char* name);

  // Throws Error where the library lacks it.
  Function operator[](const char* name) const;

 private:
  std::string name_;
  void* handle_;
};

}  // namespace convoy
