#include "kernel_run.hpp"

using namespace inlay;
using namespace inlay::kernel;
using namespace inlay::test;

namespace {

template <int D1, int D2, int D3>
void check_map(int samples, int threads) {
  using S = Image<D1, D2, D3>;
  constexpr int count = D1 * D2 * D3;
  // y = (u8 as number / 2 + row of shared) * x, stored; and the coordinate of the last axis as i32
  using K = Elementwise<
      Extents<1, D1, D2, D3>, true,
      Body<Load<0, Element::u8, S>, Constant<0x3f000000>, Apply<MapOp::multiply, 0, 1>,
           Load<1, Element::f32, Strides<0, 0, 0, 0, 1>>, Apply<MapOp::add, 2, 3>, Load<2, Element::f32, S>,
           Apply<MapOp::multiply, 4, 5>, Store<3, Element::f32, S, 6>, Iota<3>, Store<4, Element::i32, S, 8>>>;
  auto bytes = random_bytes(count, samples, 256);
  auto row = random_argument(D3, 0, 2), x = random_argument(count, samples, 3);
  Argument<float> y(count, samples);
  Argument<std::int32_t> last(count, samples);
  run_kernel<cpu::Runner<K>>({bytes.slot(), row.slot(), x.slot(), y.slot(), last.slot()}, samples, threads);
  for (std::int64_t i = 0; i < std::int64_t{count} * samples; ++i) {
    const double a = bytes[i] / 2.0, b = row[i % D3];
    CHECK(std::fabs(y[i] - (a + b) * x[i]) <= rounding_bound(3, (a + std::fabs(b)) * std::fabs(x[i])));
    CHECK(last[i] == i % D3);
  }
}

}  // namespace

TEST_CASE("an elementwise kernel reads and writes each element type, whole rows and no more") {
  check_map<3, 5, 1>(2, 1);
  check_map<3, 5, 7>(3, 2);
  check_map<1, 2, 16>(1, 3);
  check_map<2, 3, 37>(4, 3);
  check_map<1, 1, 129>(2, 2);
}
TEST_CASE("a row without a batch is split among threads at whole vectors") {
  using K = Elementwise<Extents<1, 1, 1, 103>, false,
                        Body<Load<0, Element::f32, Strides<0, 0, 0, 0, 1>>, Apply<MapOp::negate, 0>,
                             Store<1, Element::f32, Strides<0, 0, 0, 0, 1>, 1>>>;
  for (int threads : {1, 2, 5, 9}) {
    auto x = random_argument(103);
    Argument<float> y(103);
    run_kernel<cpu::Runner<K>>({x.slot(), y.slot()}, 1, threads);
    for (int i = 0; i < 103; ++i) CHECK(y[i] == -x[i]);
  }
}
TEST_CASE("transposed operands are read lane by lane") {
  constexpr int rows = 9, columns = 35;
  using K = Elementwise<Extents<1, 1, rows, columns>, true,
                        Body<Load<0, Element::f32, Strides<rows * columns, 0, 0, 1, rows>>,
                             Store<1, Element::f32, Strides<rows * columns, 0, 0, columns, 1>, 0>>>;
  auto x = random_argument(rows * columns, 2);
  Argument<float> y(rows * columns, 2);
  run_kernel<cpu::Runner<K>>({x.slot(), y.slot()}, 2, 2);
  for (int n = 0; n < 2; ++n)
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j) CHECK(y[(n * rows + i) * columns + j] == x[n * rows * columns + j * rows + i]);
}
TEST_CASE("scatter puts a pooled value at its index, and gather takes it from there") {
  constexpr int H = 4, W = 6, C = 21;
  using Pooled = Image<H / 2, W / 2, C>;
  using Spread = Elementwise<
      Extents<1, H, W, C>, true,
      Body<Scatter<0, Element::f32, 1, Element::u8, MaxPool<2, 2>, Pooled>, Store<2, Element::f32, Image<H, W, C>, 0>>>;
  using Collect = Elementwise<Extents<1, H / 2, W / 2, C>, true,
                              Body<Gather<0, Element::f32, 1, Element::u8, MaxPool<2, 2>, Image<H, W, C>, Pooled>,
                                   Store<2, Element::f32, Pooled, 0>>>;
  constexpr int count = H * W * C;
  auto d = random_argument(count / 4, 3);
  auto index = random_bytes(count / 4, 3, 4);
  Argument<float> spread(count, 3), collected(count / 4, 3);
  run_kernel<cpu::Runner<Spread>>({d.slot(), index.slot(), spread.slot()}, 3, 2);
  for (int n = 0; n < 3; ++n)
    for (int h = 0; h < H; ++h)
      for (int w = 0; w < W; ++w)
        for (int c = 0; c < C; ++c) {
          const int p = ((n * (H / 2) + h / 2) * (W / 2) + w / 2) * C + c;
          const float expected = index[p] == h % 2 * 2 + w % 2 ? d[p] : 0.0f;
          CHECK(spread[((n * H + h) * W + w) * C + c] == expected);
        }
  run_kernel<cpu::Runner<Collect>>({spread.slot(), index.slot(), collected.slot()}, 3, 2);
  CHECK(collected.values == d.values);
}
