// The version of the library.
//
// Threads: version() may be called from any.
#pragma once

#include <string_view>

#include "convoy/export_macro.h"

namespace convoy {

// "0.1.0".
CONVOY_API std::string_view version();

}  // namespace convoy
