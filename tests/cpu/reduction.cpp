#include "kernel_run.hpp"

using namespace inlay;
using namespace inlay::kernel;
using namespace inlay::test;

namespace {

/// Reduces x over `Axes` (and the batch) of a D1 x D2 x D3 value; Post stores 2 * result.
template <ReduceOp Op, int Axes, bool OverBatch, int D1, int D2, int D3>
void check(int samples, int threads) {
  constexpr int k1 = Axes & 2 ? 1 : D1, k2 = Axes & 4 ? 1 : D2, k3 = Axes & 8 ? 1 : D3, kept = k1 * k2 * k3;
  constexpr int count = D1 * D2 * D3;
  using Out = Strides<OverBatch ? 0 : kept, 0, (k1 > 1 ? k2 * k3 : 0), (k2 > 1 ? k3 : 0), (k3 > 1 ? 1 : 0)>;
  using K = Reduction<Op, Extents<1, D1, D2, D3>, Axes, true, OverBatch, Body<Load<0, Element::f32, Image<D1, D2, D3>>>,
                      Body<Result<0>, Apply<MapOp::add, 0, 0>, Store<1, Element::f32, Out, 1>>>;
  auto x = random_argument(count, samples);
  Argument<float> y(kept, OverBatch ? 0 : samples);
  run_kernel<cpu::Runner<K>>({x.slot(), y.slot()}, samples, threads);

  const int outputs = OverBatch ? 1 : samples, terms = count / kept * (OverBatch ? samples : 1);
  for (int n = 0; n < outputs; ++n)
    for (int o = 0; o < kept; ++o) {
      double sum = 0, magnitude = 0, largest = -INFINITY;
      int place = 0, position = 0;
      for (int m = OverBatch ? 0 : n; m < (OverBatch ? samples : n + 1); ++m)
        for (int i = 0; i < count; ++i) {
          const int i1 = i / (D2 * D3), i2 = i / D3 % D2, i3 = i % D3;
          if (((k1 > 1 ? i1 : 0) * k2 + (k2 > 1 ? i2 : 0)) * k3 + (k3 > 1 ? i3 : 0) != o) continue;
          const double v = x[std::int64_t{m} * count + i];
          sum += v;
          magnitude += std::fabs(v);
          if (v > largest) {
            largest = v;
            place = position;
          }
          ++position;
        }
      const double got = y[n * kept + o] / 2.0;
      if (Op == ReduceOp::sum) CHECK(std::fabs(got - sum) <= rounding_bound(terms + threads, magnitude));
      if (Op == ReduceOp::max) CHECK(got == largest);
      if (Op == ReduceOp::argmax) CHECK(got == place);
    }
}

}  // namespace

TEST_CASE("sums over each set of axes agree with a plain loop") {
  check<ReduceOp::sum, 8, false, 3, 4, 37>(3, 2);
  check<ReduceOp::sum, 6, false, 5, 3, 21>(3, 2);
  check<ReduceOp::sum, 2, false, 5, 3, 16>(2, 1);
  check<ReduceOp::sum, 14, false, 3, 5, 7>(4, 3);
}
TEST_CASE("maxima and their positions agree with a plain loop") {
  check<ReduceOp::max, 8, false, 2, 3, 10>(3, 2);
  check<ReduceOp::max, 6, false, 4, 3, 19>(2, 2);
  check<ReduceOp::argmax, 8, false, 1, 1, 10>(5, 2);
  check<ReduceOp::argmax, 14, false, 3, 4, 5>(2, 1);
}
TEST_CASE("sums over the batch add the threads' partials") {
  for (int threads : {1, 2, 4}) {
    check<ReduceOp::sum, 6, true, 5, 7, 33>(3, threads);
    check<ReduceOp::sum, 0, true, 2, 1, 5>(7, threads);
    check<ReduceOp::sum, 14, true, 2, 3, 18>(2, threads);
  }
}
TEST_CASE("of equal elements the first is the maximum, and maxima may all be negative") {
  using K = Reduction<ReduceOp::argmax, Extents<1, 1, 1, 40>, 8, true, false,
                      Body<Load<0, Element::f32, Strides<40, 0, 0, 0, 1>>>,
                      Body<Result<0>, Store<1, Element::f32, Strides<1, 0, 0, 0, 0>, 0>>>;
  Argument<float> x(40, 1), y(1, 1);
  for (float& v : x.values) v = -2;
  x[9] = x[31] = -1;
  run_kernel<cpu::Runner<K>>({x.slot(), y.slot()}, 1, 1);
  CHECK(y[0] == 9);
}
TEST_CASE("the kernels of a group see what earlier ones stored for the same sample") {
  using Row = Strides<10, 0, 0, 0, 1>;
  using One = Strides<1, 0, 0, 0, 0>;
  using D = Extents<1, 1, 1, 10>;
  // softmax: maximum, sum of exponentials, quotient
  using K = Group<Reduction<ReduceOp::max, D, 8, true, false, Body<Load<0, Element::f32, Row>>,
                            Body<Result<0>, Store<1, Element::f32, One, 0>>>,
                  Reduction<ReduceOp::sum, D, 8, true, false,
                            Body<Load<0, Element::f32, Row>, Load<1, Element::f32, One>, Apply<MapOp::subtract, 0, 1>,
                                 Apply<MapOp::exp, 2>>,
                            Body<Result<0>, Store<2, Element::f32, One, 0>>>,
                  Elementwise<D, true,
                              Body<Load<0, Element::f32, Row>, Load<1, Element::f32, One>, Apply<MapOp::subtract, 0, 1>,
                                   Apply<MapOp::exp, 2>, Load<2, Element::f32, One>, Apply<MapOp::divide, 3, 4>,
                                   Store<3, Element::f32, Row, 5>>>>;
  auto x = random_argument(10, 7);
  Argument<float> most(1, 7), sum(1, 7), y(10, 7);
  run_kernel<cpu::Runner<K>>({x.slot(), most.slot(), sum.slot(), y.slot()}, 7, 3);
  for (int n = 0; n < 7; ++n) {
    double total = 0;
    for (int i = 0; i < 10; ++i) total += std::exp(static_cast<double>(x[n * 10 + i]));
    // 10 additions, a quotient, and two exponentials of 1 ulp (2 u) whose argument is at most 2 in magnitude
    for (int i = 0; i < 10; ++i)
      CHECK(std::fabs(y[n * 10 + i] - std::exp(static_cast<double>(x[n * 10 + i])) / total) <= rounding_bound(20, 1.0));
  }
}
