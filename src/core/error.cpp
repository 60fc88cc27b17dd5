#include "convoy/error.h"

#include "core/text.h"

namespace convoy {

Error::Error(const std::string& message, ErrorKind kind) : std::runtime_error(printable(message)), kind_(kind) {}

void Error::rethrow(const std::string& message) const {
  switch (kind_) {
    case ErrorKind::usage: throw UsageError(message);
    case ErrorKind::file: throw FileError(message);
    case ErrorKind::memory: throw MemoryError(message);
    case ErrorKind::numeric: throw NumericError(message);
    case ErrorKind::internal: throw InternalError(message);
    case ErrorKind::data: break;
  }
  throw Error(message);
}

}  // namespace convoy
