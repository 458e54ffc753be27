// Threads of the system and of the user.
#include <inlay/cpu/team.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace inlay;

#ifdef _OPENMP
TEST_CASE("runs that several threads of a program begin never work on more cores than there are") {
  const int cores = omp_get_num_procs();
  std::atomic<int> working{0}, most{0}, shares{0};
  auto work = [&](cpu::Share share) {
    const int now = ++working;
    for (int before = most; before < now && !most.compare_exchange_weak(before, now);) {
    }
    cpu::barrier(share);
    ++shares;
    --working;
  };
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      for (int run = 0; run < 50; ++run) cpu::run_team(cores > 1 ? cores : 2, work);
    });
  for (std::thread& user : users) user.join();
  CHECK(shares == 4 * 50 * (cores > 1 ? cores : 2));
  CHECK(most <= (cores > 1 ? cores : 2));
}
TEST_CASE("a run inside of a parallel region takes the caller's thread alone") {
  std::atomic<int> shares{0};
#pragma omp parallel num_threads(2)
  cpu::run_team(2, [&](cpu::Share share) {
    if (share.threads == 1) ++shares;
  });
  CHECK(shares == 2);
}
#else
TEST_CASE("without OpenMP a run is the caller's thread") {
  int shares = 0;
  cpu::run_team(4, [&](cpu::Share share) { shares += share.threads; });
  CHECK(shares == 1);
}
#endif
