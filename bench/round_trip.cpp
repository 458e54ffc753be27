// How long a cache line takes from one core to another and back, in ns: the median of many exchanges between the first
// two cores that the program may use. Virtual machines differ in it by a factor of five, and may change while they run;
// with it changes what every program on two threads can reach. bench/compare writes it beside its figures.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

/// Keeps the calling thread on a core. Does nothing where the system forbids it.
void stay_on(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

/// Written by one side, read by the other.
struct alignas(128) Line {
  std::atomic<int> value{0};

  void send(int number) { value.store(number, std::memory_order_release); }
  void await(int number) const {
    while (value.load(std::memory_order_acquire) != number) {
    }
  }
};

}  // namespace

int main() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  if (cores.size() < 2) {
    std::fputs("round_trip needs two cores\n", stderr);
    return 1;
  }

  constexpr int samples = 51, exchanges = 400;
  Line there, back;
  std::thread other([&] {
    stay_on(cores[1]);
    for (int i = 1; i <= samples * exchanges; ++i) {
      there.await(i);
      back.send(i);
    }
  });
  stay_on(cores[0]);
  std::vector<double> ns;
  for (int i = 1; i <= samples * exchanges; i += exchanges) {
    const auto start = std::chrono::steady_clock::now();
    for (int j = i; j < i + exchanges; ++j) {
      there.send(j);
      back.await(j);
    }
    ns.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() /
                 exchanges);
  }
  other.join();
  std::nth_element(ns.begin(), ns.begin() + samples / 2, ns.end());
  std::printf("%.0f\n", ns[samples / 2]);
}
