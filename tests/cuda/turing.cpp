// Kernels as sm_75 has them, whose copies to shared memory do not go on in the background: a program of its own, since
// the emulator stands for one architecture at a time.
#include "copied_check.hpp"

using namespace inlay;
using namespace inlay::test;

static_assert(!inlay::cuda::copies_go_on && inlay::cuda::multiprocessor_shared_bytes == 64 * 1024);

TEST_CASE("without copies in the background operands come through registers, and products are the same") {
  check_in_fp16<Square<7, 9, 16, 24, 3, 3, 1>>("3x3 same", 2);
  check_in_fp16<Square<6, 5, 24, 8, 5, 5, 2>>("5x5 same", 3);
  check_in_fp16<Square<7, 5, 32, 16, 1, 2, 0>>("1x2: several taps a step", 2);
  check_in_fp16<Square<9, 10, 72, 136, 3, 3, 1>>("3x3, several slabs", 1);
  check_in_fp16<Square<4, 3, 80, 72, 3, 3, 1>>("3x3, in parts", 7);
  check_in_fp16<Square<5, 6, 9, 17, 3, 3, 1>>("3x3, channels that are multiples of nothing", 2);
  check_in_fp16<Square<9, 8, 16, 24, 3, 3, 1, 2>>("3x3, stride 2", 2);
  check_in_fp16<Square<1, 1, 160, 24, 1>>("dense", 67);
}
