// One kernel a statement, and the destination as an operand.
#include "check.hpp"

using namespace inlay;

namespace {

using A = Tensor<float, 512, 256>&;
using W = Tensor<float, 256, 128>&;
using B = Tensor<float, 128>&;
using X = Tensor<float, 6, 6>&;

template <class F>
constexpr int launches = expr::program_of<F>::plan.launches.size;

// No promise without a proof.
static_assert(launches<decltype(relu(matmul(std::declval<A>(), std::declval<W>()) + std::declval<B>()))> == 1);
static_assert(launches<decltype(matmul(std::declval<A>(), std::declval<W>()))> == 1);
static_assert(launches<decltype(exp(std::declval<X>() * 2.0f) / (std::declval<X>() + 1.0f))> == 1);
static_assert(launches<decltype(mean(square(std::declval<X>() - std::declval<X>())))> == 1);
static_assert(launches<decltype(conv2d<1, 1>(std::declval<Tensor<float, 8, 8, 4>&>(),
                                             std::declval<Tensor<float, 3, 3, 4, 8>&>()) +
                                std::declval<Tensor<float, 8>&>())> == 1);

template <class F>
constexpr bool in_place = expr::detail::runs_in_place(expr::program_of<F>::plan);
static_assert(in_place<decltype(std::declval<X>() + std::declval<X>() * 2.0f)>);
static_assert(in_place<decltype(std::declval<X>() + std::declval<Tensor<float, 6>&>())>);
static_assert(!in_place<decltype(matmul(std::declval<X>(), std::declval<X>()))>);
static_assert(!in_place<decltype(transpose(std::declval<X>()) + std::declval<X>())>);
static_assert(!in_place<decltype(std::declval<X>() - max<-1>(std::declval<X>()))>);

}  // namespace

TEST_CASE("the example of a dense layer on run-time tensors is right") {
  Tensor<float, 512, 256> a;
  Tensor<float, 256, 128> w;
  Tensor<float, 128> b;
  test::randomize(a, 1);
  test::randomize(w, 2);
  test::randomize(b, 3);
  Tensor<float, 512, 128> y = relu(matmul(a, w) + b);
  double worst = 0;
  for (int i = 0; i < 512; i += 37)
    for (int j = 0; j < 128; ++j) {
      double s = b(j);
      for (int k = 0; k < 256; ++k) s += double{a(i, k)} * w(k, j);
      worst = std::fmax(worst, std::fabs(std::fmax(s, 0) - double{y(i, j)}));
    }
  CHECK(worst < 256 * 1.2e-7);  // 256 products of size up to 1
}

TEST_CASE("a destination that shares memory with smaller operands, or with a part of one, is written last") {
  auto x = Tensor<float, 5, 20>::from_function([](int i, int j) { return 100 * i + j + 1; });
  const Tensor<float, 5, 20> before = x;
  const TensorView<float, 20> second_row(x.data() + 20);
  x = x - second_row;
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 20; ++j) CHECK(x(i, j) == before(i, j) - before(1, j));

  Tensor<float, 70> v;
  v.fill(8);
  const TensorView<float, 1> third(v.data() + 2);
  v = v / third;
  for (int i = 0; i < 70; ++i) CHECK(v(i) == 1);

  float numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8};
  const TensorView<float, 8> from(numbers);
  TensorView<float, 8> to(numbers + 4);
  to = from + 1.0f;
  for (int i = 0; i < 8; ++i) CHECK(numbers[4 + i] == static_cast<float>(i + 2));
}

TEST_CASE("x = x + y works in place") {
  Tensor<float, 6, 6> x, y;
  x.fill(1);
  y.fill(2);
  x = x + y;
  CHECK(x(5, 5) == 3);
  x += y;
  x *= 2;
  x -= 1;
  CHECK(x(0, 0) == 9);
}

TEST_CASE("a = matmul(a, b) and a = transpose(a) don't read what they wrote") {
  Tensor<float, 6, 6> a, b;
  test::randomize(a, 1);
  test::randomize(b, 2);
  const Tensor<float, 6, 6> product = matmul(a, b), flipped = transpose(a) + a;
  Tensor<float, 6, 6> x = a;
  x = matmul(x, b);
  for (int i = 0; i < 36; ++i) CHECK(x.data()[i] == product.data()[i]);
  x = a;
  x = transpose(x) + x;
  for (int i = 0; i < 36; ++i) CHECK(x.data()[i] == flipped.data()[i]);
}

TEST_CASE("a softmax over the tensor itself is right") {
  Tensor<float, 2, 3> x{1, 2, 3, 0, 0, 0};
  x = exp(x - max<-1>(x));
  x = x / sum<-1>(x);
  CHECK(x(0, 0) + x(0, 1) + x(0, 2) == doctest::Approx(1));
  CHECK(x(1, 2) == doctest::Approx(1.0 / 3));
}
