// Seconds since some fixed moment, as a function that tests can replace. (<chrono> would cost every user 0.1 s of
// compile time.)
#pragma once

#include <time.h>

namespace inlay {

using Clock = double (*)();

/// Never goes backwards; unaffected by changes of the date.
inline double steady_seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace inlay
