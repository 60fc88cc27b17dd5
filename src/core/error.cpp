#include "convoy/error.h"

namespace convoy {

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
