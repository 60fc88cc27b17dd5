// The errors that the library throws.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "convoy/export_macro.h"

namespace convoy {

// What an error is about, and so who can mend it.
enum class ErrorKind : uint8_t {
  usage,     // how something was asked for: an unknown option, model or recipe key, a value out of its range
  data,      // what was given: the content of a file, an image, a network or its shapes
  file,      // the file system: a file or folder that is missing, no file of its kind, or cannot be read or written
  memory,    // a batch, image or network that needs more memory than there is
  numeric,   // numbers that are not finite, or further from others than a tolerance allows
  internal,  // a mistake of the program that uses the library, or of the library itself
};

// what() is one line of well-formed UTF-8 that names the culprit, what was expected, what came and, where it is known,
// what to do; control characters of the message, as names from files may have, become '?'. Its kind is data, and each
// other kind has a class below. The library never prints, exits or aborts.
class CONVOY_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : Error(message, ErrorKind::data) {}

  ErrorKind kind() const { return kind_; }
  // Throws an error of the same kind, and of its class, with another message.
  [[noreturn]] void rethrow(const std::string& message) const;

 protected:
  Error(const std::string& message, ErrorKind kind);

 private:
  ErrorKind kind_;
};

// The command line exits with 2 for these, and with 1 for all others.
class CONVOY_API UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ErrorKind::usage) {}
};

class CONVOY_API FileError : public Error {
 public:
  explicit FileError(const std::string& message) : Error(message, ErrorKind::file) {}
};

class CONVOY_API MemoryError : public Error {
 public:
  explicit MemoryError(const std::string& message) : Error(message, ErrorKind::memory) {}
};

class CONVOY_API NumericError : public Error {
 public:
  explicit NumericError(const std::string& message) : Error(message, ErrorKind::numeric) {}
};

class CONVOY_API InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error(message, ErrorKind::internal) {}
};

}  // namespace convoy
