// The base of everything Inlay throws. Messages say what was found, what was expected and what to do.
#pragma once

#include <stdexcept>

namespace inlay {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace inlay
