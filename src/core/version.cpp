#include "convoy/version.h"

namespace convoy {

std::string_view version() { return CONVOY_VERSION; }

}  // namespace convoy
