// Errors that a user of the library can cause, and mend.
#pragma once

#include <stdexcept>
#include <string>

namespace convoy {

// Thrown for every mistake in the input: a file, an option, a graph. what() is one line that names the culprit, what
// was expected, what came and, where it is known, what to do. The library never prints, exits or aborts.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An Error in how something was asked for: an unknown option, model or recipe key. The command line exits with 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace convoy
