#include "backends/backends.h"

#include <string>
#include <vector>

#include "convoy/error.h"
#include "core/text.h"

namespace convoy {

const Backend& find_backend(std::string_view name) {
  std::vector<std::string> names;
  for (const Backend* backend : {&cpu_backend(), &reference_backend()}) {
    if (backend->name() == name) return *backend;
    names.emplace_back(backend->name());
  }
  throw UsageError(unknown_name("backend", name, names));
}

}  // namespace convoy
