// Gradients of formulas against central finite differences of the reference interpreter.
#include <inlay/expr/gradients.hpp>

#include "check.hpp"

using namespace inlay;

namespace {

/// d(loss)/d(element) of the leaves at `data`, by central differences in double.
template <class E>
double slope(const E& loss, const float* data, int element) {
  auto inputs = test::inputs_of(loss);
  const auto leaves = expr::detail::leaves_of(loss);
  constexpr double h = 1e-5;
  double value[2];
  for (int side = 0; side < 2; ++side) {
    auto moved = inputs;
    for (std::size_t i = 0; i < moved.size(); ++i)
      if (leaves.data[i] == data) moved[i][static_cast<std::size_t>(element)] += side == 0 ? h : -h;
    value[side] = test::expected(loss, moved)[0];
  }
  return (value[0] - value[1]) / (2 * h);
}

template <class E, class T>
double worst(const E& loss, const T& tensor, const T& gradient) {
  double error = 0;
  for (int i = 0; i < tensor.size(); ++i)
    error = std::fmax(error, std::fabs(slope(loss, tensor.data(), i) - double{gradient.data()[i]}));
  return error;
}

// Gradients here are sums of at most a hundred floats of size about 1; differences of order h^2.
constexpr double tolerance = 2e-5;

}  // namespace

TEST_CASE("the gradient of a dense layer's squared error agrees with finite differences") {
  Tensor<float, 7, 5> a;
  Tensor<float, 5, 3> w;
  Tensor<float, 3> b;
  Tensor<float, 7, 3> target;
  test::randomize(a, 1);
  test::randomize(w, 2);
  test::randomize(b, 3);
  test::randomize(target, 4);
  const auto loss = mean(square(relu(matmul(a, w) + b) - target));
  auto [dw, db] = gradients(loss, wrt(w, b));
  static_assert(std::is_same_v<decltype(dw), Tensor<float, 5, 3>> && std::is_same_v<decltype(db), Tensor<float, 3>>);
  CHECK(worst(loss, w, dw) < tolerance);
  CHECK(worst(loss, b, db) < tolerance);
}

TEST_CASE("a tensor used more than once gets the sum of its uses") {
  Tensor<float, 4, 4> x, y;
  test::randomize(x, 1);
  test::randomize(y, 2);
  const auto loss = sum(matmul(x, x) * tanh(x) + y * x);
  auto [dx] = gradients(loss, wrt(x));
  CHECK(worst(loss, x, dx) < tolerance);
}

TEST_CASE("tensors of one type are told apart by address") {
  Tensor<float, 3> x{1, 2, 3}, y{4, 5, 6}, absent;
  auto [dy, dx, none] = gradients(sum(x * y * 2.0f), wrt(y, x, absent));
  for (int i = 0; i < 3; ++i) {
    CHECK(dx(i) == 2 * y(i));
    CHECK(dy(i) == 2 * x(i));
    CHECK(none(i) == 0);
  }
}

TEST_CASE("gradients pass through convolution, bias, relu, pooling and softmax") {
  Tensor<float, 6, 6, 2> image;
  Tensor<float, 3, 3, 2, 4> weights;
  Tensor<float, 4> bias;
  Tensor<float, 36, 5> dense;
  test::randomize(image, 1);
  test::randomize(weights, 2);
  test::randomize(bias, 3);
  test::randomize(dense, 4);
  const auto features = flatten(max_pool<2>(relu(conv2d<1, 1>(image, weights) + bias)));
  const auto logits = matmul(features, dense);
  const auto entropy = log(sum(exp(logits))) - max(logits);
  auto [di, dk, db, dd] = gradients(entropy, wrt(image, weights, bias, dense));
  CHECK(worst(entropy, image, di) < tolerance);
  CHECK(worst(entropy, weights, dk) < tolerance);
  CHECK(worst(entropy, bias, db) < tolerance);
  CHECK(worst(entropy, dense, dd) < tolerance);
}

TEST_CASE("gradients descend: a line is fitted") {
  Tensor<float, 8, 1> x{0, 1, 2, 3, 4, 5, 6, 7}, target;
  target = x * 3.0f - 1.0f;
  Tensor<float, 1, 1> slope_;
  Tensor<float, 1> offset;
  for (int step = 0; step < 400; ++step) {
    auto [ds, doffset] = gradients(mean(square(matmul(x, slope_) + offset - target)), wrt(slope_, offset));
    slope_ -= 0.03f * ds;
    offset -= 0.03f * doffset;
  }
  CHECK(slope_(0, 0) == doctest::Approx(3).epsilon(0.01));
  CHECK(offset(0) == doctest::Approx(-1).epsilon(0.05));
}
