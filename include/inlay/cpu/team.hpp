// The threads of one run. With OpenMP a run is a single parallel region; without it everything happens on the
// caller's thread.
#pragma once

#include <inlay/cpu/runner.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace inlay::cpu {

/// Threads that a run uses unless told otherwise: OMP_NUM_THREADS, or one a core.
inline int default_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/// Calls `work(share)` on each of `threads` threads (fewer if the system has fewer to give).
template <class Work>
void run_team(int threads, Work work) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    work(Share{omp_get_thread_num(), omp_get_num_threads()});
    return;
  }
#endif
  static_cast<void>(threads);
  work(Share{0, 1});
}

/// Waits for the other threads of the team.
inline void barrier(Share share) {
#ifdef _OPENMP
  if (share.threads > 1) {
#pragma omp barrier
  }
#endif
  static_cast<void>(share);
}

}  // namespace inlay::cpu
