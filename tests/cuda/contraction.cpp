// Contractions without tensor cores, by contraction_check.hpp.
#include "contraction_check.hpp"

using namespace inlay;
using namespace inlay::test;

template <class Contraction>
using InFp32 = inlay::cuda::under_policy_t<Precision::fp32, Contraction>;

TEST_CASE("contractions of every geometry agree with the loop, forward and both gradients") {
  check<Square<5, 7, 3, 5, 1>>("1x1, nothing a multiple of anything", 3);
  check<Square<7, 9, 5, 10, 3, 3, 1>>("3x3 same, odd image", 2);
  check<Square<8, 8, 1, 33, 3, 3, 1>>("one channel in, 33 out", 3);
  check<Square<6, 6, 20, 7, 5, 5, 2>>("5x5 same", 1);
  check<Square<9, 8, 4, 6, 3>>("3x3 valid", 2);
  check<Square<9, 11, 3, 17, 3, 3, 1, 2>>("stride 2", 2);
  check<Square<8, 10, 2, 4, 2, 2, 0, 2>>("2x2 with stride 2, without padding", 2);
  check<Square<11, 9, 3, 6, 3, 3, 2, 1, 2>>("dilation 2", 2);
  check<Square<11, 13, 2, 3, 3, 3, 1, 2, 2>>("stride 2 and dilation 2, rows left over", 2);
  check<Square<6, 7, 6, 9, 3, 3, 1, 1, 1, 3>>("three groups", 2);
  check<Square<5, 5, 8, 8, 3, 3, 1, 1, 1, 8>>("depthwise", 3);
  check<Square<7, 5, 3, 4, 1, 5, 2>>("a window of 1x5, padded on both axes", 2);
}

TEST_CASE("dense layers agree with the loop, also where the depth is split") {
  check<Square<1, 1, 7, 10, 1>>("small", 5);
  check<Square<1, 1, 64, 10, 1>>("more samples than a tile has rows", 70);
  check<Square<1, 1, 1000, 40, 1>>("deep", 3);
  check<Square<1, 13, 600, 20, 1>>("a matrix product of 13 rows", 2);
}

TEST_CASE("a weight gradient over many pixels is split into parts") {
  using G = Square<12, 12, 4, 8, 3, 3, 1>;
  CHECK(inlay::cuda::Product<InFp32<WeightGradient<G>>>::splits(8) > 2);
  check<G>("8 samples of 12 x 12", 8);
}

TEST_CASE("a weight gradient with enough tiles is finished in the kernel that multiplies") {
  using G = Square<1, 1, 8192, 65, 1>;
  CHECK(!inlay::cuda::Product<InFp32<WeightGradient<G>>>::split);
  check<G>("8192 x 65", 3);
}

TEST_CASE("the split depends on the type and the batch only, and results have the same bits twice") {
  using G = Square<12, 12, 4, 8, 3, 3, 1>;
  const auto x = random_floats(8 * 12 * 12 * 4, 1), dy = random_floats(8 * 12 * 12 * 8, 2);
  const std::vector<Argument> arguments{{x}, {dy}, output(9 * 4 * 8), output(8)};
  CHECK(run_kernel<InFp32<WeightGradient<G>>>(8, arguments) == run_kernel<InFp32<WeightGradient<G>>>(8, arguments));
}
