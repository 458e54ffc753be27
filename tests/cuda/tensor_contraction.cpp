// Contractions on tensor cores, in the three precisions.
#include "contraction_check.hpp"

#include <set>

using namespace inlay;
using namespace inlay::test;

namespace {

template <class G>
void check_all(const char* what, int samples) {
  check<G, Precision::bf16>(what, samples);
  check<G, Precision::fp16>(what, samples);
  check<G, Precision::tf32>(what, samples);
}

/// Does a warp write its words to 32 banks, and does it load the chunks of 8 lines from different banks?
template <bool AlongDepth>
bool banks_differ() {
  using Walk = inlay::cuda::TensorWalk<inlay::cuda::in_precision_t<Precision::bf16, Forward<Square<8, 8, 16, 16, 3>>>>;
  for (int warp = 0; warp < 4; ++warp) {
    std::set<int> banks;
    for (int thread = 32 * warp; thread < 32 * warp + 32; ++thread) {
      const int word = Walk::word_of<AlongDepth>(thread), line = Walk::line_of<AlongDepth>(thread);
      banks.insert((4 * Walk::chunk_at(line, word / 4) + word % 4) % 32);
    }
    if (banks.size() != 32) return false;
  }
  for (int chunk = 0; chunk < 4; ++chunk) {
    std::set<int> banks;
    for (int line = 0; line < 8; ++line) banks.insert(Walk::chunk_at(line, chunk) % 8);
    if (banks.size() != 8) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("tiles for tensor cores are written and loaded without bank conflicts") {
  CHECK(banks_differ<true>());
  CHECK(banks_differ<false>());
}

TEST_CASE("convolutions on tensor cores agree with the loop, forward and both gradients") {
  check_all<Square<5, 7, 3, 5, 1>>("1x1, nothing a multiple of anything", 3);
  check_all<Square<7, 9, 5, 10, 3, 3, 1>>("3x3 same, odd image", 2);
  check_all<Square<8, 8, 1, 33, 3, 3, 1>>("one channel in, 33 out", 3);
  check_all<Square<9, 10, 33, 70, 3, 3, 1>>("two tiles of columns, several of rows", 2);
  check_all<Square<9, 11, 3, 17, 3, 3, 1, 2>>("stride 2", 2);
  check_all<Square<11, 13, 2, 3, 3, 3, 1, 2, 2>>("stride 2 and dilation 2, rows left over", 2);
  check_all<Square<6, 7, 6, 9, 3, 3, 1, 1, 1, 3>>("three groups", 2);
  check_all<Square<5, 5, 8, 8, 3, 3, 1, 1, 1, 8>>("depthwise", 3);
}

TEST_CASE("dense layers on tensor cores agree with the loop, also where the depth is split") {
  check_all<Square<1, 1, 7, 10, 1>>("small", 5);
  check_all<Square<1, 1, 64, 10, 1>>("more samples than a tile has rows", 70);
  check_all<Square<1, 1, 1000, 40, 1>>("deep", 3);
}

TEST_CASE("a weight gradient on tensor cores is split into parts, and has the same bits twice") {
  using G = Square<12, 12, 4, 8, 3, 3, 1>;
  using Kernel = inlay::cuda::in_precision_t<Precision::bf16, WeightGradient<G>>;
  CHECK(inlay::cuda::Product<Kernel>::splits(8) > 2);
  check_all<G>("8 samples of 12 x 12", 8);
  if (!device_has(Precision::bf16)) return;
  const auto x = random_floats(8 * 12 * 12 * 4, 1), dy = random_floats(8 * 12 * 12 * 8, 2);
  const std::vector<Argument> arguments{{x}, {dy}, output(9 * 4 * 8), output(8)};
  CHECK(run_kernel<Kernel>(8, arguments) == run_kernel<Kernel>(8, arguments));
}

TEST_CASE("a weight gradient on tensor cores with enough tiles is finished in the kernel that multiplies") {
  using G = Square<1, 1, 8192, 65, 1>;
  CHECK(!inlay::cuda::Product<inlay::cuda::in_precision_t<Precision::bf16, WeightGradient<G>>>::split);
  check<G, Precision::bf16>("8192 x 65", 3);
}
