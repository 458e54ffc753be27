// The threads of one run. With OpenMP a run is a single parallel region; without it everything happens on the
// caller's thread. Runs that several threads of a program begin wait for each other where the processor has not enough
// cores for all.
#pragma once

#include <inlay/cpu/runner.hpp>

#ifdef _OPENMP
#include <omp.h>
#include <condition_variable>
#include <mutex>
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

#ifdef _OPENMP
namespace detail {

/// The cores that runs of more than one thread have taken, of those that the process may use.
class Cores {
 public:
  /// Waits until so many are free; a run that asks for more than there are waits until it is alone.
  void take(int wanted) {
    std::unique_lock lock(mutex);
    given_back.wait(lock, [&] { return taken == 0 || taken + wanted <= omp_get_num_procs(); });
    taken += wanted;
  }
  void give_back(int number) {
    {
      const std::lock_guard lock(mutex);
      taken -= number;
    }
    given_back.notify_all();
  }

 private:
  std::mutex mutex;
  std::condition_variable given_back;
  int taken = 0;
};
inline Cores cores;

}  // namespace detail
#endif

/// Calls `work(share)` on each of `threads` threads (fewer if the system has fewer to give, and the caller's alone
/// inside of a parallel region of its own). One thread takes no lock.
template <class Work>
void run_team(int threads, Work work) {
#ifdef _OPENMP
  if (threads > 1 && omp_get_active_level() < omp_get_max_active_levels()) {
    detail::cores.take(threads);
#pragma omp parallel num_threads(threads)
    work(Share{omp_get_thread_num(), omp_get_num_threads()});
    detail::cores.give_back(threads);
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
