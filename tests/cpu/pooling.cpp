#include "kernel_run.hpp"

using namespace inlay;
using namespace inlay::kernel;
using namespace inlay::test;

namespace {

template <int H, int W, int C, int PH, int PW>
void check(int samples, int threads, bool ties) {
  using Pooled = Image<H / PH, W / PW, C>;
  using K = Pooling<Extents<1, H, W, C>, true, MaxPool<PH, PW>,
                    Body<Load<0, Element::f32, Image<H, W, C>>, Apply<MapOp::negate, 0>>,
                    Body<Result<0>, Store<1, Element::f32, Pooled, 0>, Result<1>, Store<2, Element::u8, Pooled, 2>>>;
  constexpr int pooled = H / PH * (W / PW) * C;
  auto x = random_argument(H * W * C, samples);
  if (ties)
    for (float& v : x.values) v = v < 0 ? -1.0f : 1.0f;
  Argument<float> y(pooled, samples);
  Argument<std::uint8_t> index(pooled, samples);
  run_kernel<cpu::Runner<K>>({x.slot(), y.slot(), index.slot()}, samples, threads);
  for (int o = 0; o < pooled * samples; ++o) {
    const int n = o / pooled, p = o % pooled / (W / PW * C), q = o / C % (W / PW), c = o % C;
    float most = -INFINITY;
    int place = 0;
    for (int i = 0; i < PH * PW; ++i) {
      const float v = -x[((n * H + p * PH + i / PW) * W + q * PW + i % PW) * C + c];
      if (v > most) {
        most = v;
        place = i;
      }
    }
    CHECK(y[o] == most);
    CHECK(index[o] == place);
  }
}

}  // namespace

TEST_CASE("max pooling stores each window's maximum and its first position") {
  check<4, 6, 64, 2, 2>(3, 2, false);
  check<6, 9, 5, 3, 3>(2, 1, false);
  check<4, 4, 19, 2, 4>(2, 3, false);
}
TEST_CASE("of equal elements in a window the first wins") {
  check<8, 8, 33, 2, 2>(2, 2, true);
  check<4, 4, 3, 4, 4>(1, 1, true);
}
