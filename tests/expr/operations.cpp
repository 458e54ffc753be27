// Formulas on the executor against the reference interpreter, element by element. Errors are relative to the largest
// element; sums have up to 72 terms of float, so 1e-5 is generous.
#include "check.hpp"

using namespace inlay;
using test::error_of;

namespace {

struct Operands {
  Tensor<float, 6, 5> a, b;
  Tensor<float, 5> row;
  Tensor<float, 6, 1> column;
  Operands() {
    test::randomize(a, 1);
    test::randomize(b, 2);
    test::randomize(row, 3);
    test::randomize(column, 4);
  }
};
constexpr double tolerance = 1e-5;

}  // namespace

TEST_CASE("arithmetic and comparisons") {
  const Operands o;
  CHECK(error_of(-o.a) < tolerance);
  CHECK(error_of(o.a + o.b) < tolerance);
  CHECK(error_of(o.a - o.b * o.a) < tolerance);
  CHECK(error_of(o.a / (o.b * o.b + 1.0f)) < tolerance);
  CHECK(error_of(maximum(o.a, o.b) - minimum(o.a, 0.25f)) < tolerance);
  CHECK(error_of(select(greater(o.a, o.b), o.a, -o.b)) == 0);
  CHECK(error_of(equal(o.a, o.a) + equal(o.a, o.b)) == 0);
}

TEST_CASE("math functions") {
  const Operands o;
  CHECK(error_of(exp(o.a)) < tolerance);
  CHECK(error_of(log(abs(o.a) + 0.1f)) < tolerance);
  CHECK(error_of(sqrt(square(o.a) + 2)) < tolerance);
  CHECK(error_of(tanh(o.a * 3)) < tolerance);
  CHECK(error_of(erf(o.a)) < tolerance);
  CHECK(error_of(relu(o.a) + sigmoid(o.b)) < tolerance);
  CHECK(error_of(stop_gradient(o.a)) == 0);
}

TEST_CASE("broadcasting aligns the last axes") {
  const Operands o;
  CHECK(error_of(o.a + o.row) < tolerance);
  CHECK(error_of(o.column * o.a) < tolerance);
  CHECK(error_of(o.column - o.row) < tolerance);
  CHECK(error_of(2.0f / (3.0f + square(o.column)) + o.row) < tolerance);
}

TEST_CASE("reductions over any axes keep extent 1") {
  const Operands o;
  CHECK(error_of(sum(o.a)) < tolerance);
  CHECK(error_of(sum<0>(o.a)) < tolerance);
  CHECK(error_of(mean<1>(o.a * o.b)) < tolerance);
  CHECK(error_of(max<-1>(o.a) + mean<0>(o.b)) < tolerance);
  CHECK(error_of(argmax<1>(o.a)) == 0);
  const auto shifted = exp(o.a - max<-1>(o.a));
  CHECK(error_of(shifted / sum<-1>(shifted)) < tolerance);
}

TEST_CASE("matmul, transpose and reshape") {
  const Operands o;
  CHECK(error_of(matmul(o.a, transpose(o.b))) < tolerance);
  CHECK(error_of(matmul(transpose(o.a), o.b) + o.row) < tolerance);
  CHECK(error_of(matmul(o.row, transpose(o.a))) < tolerance);
  CHECK(error_of(transpose(o.a)) == 0);
  CHECK(error_of(reshape<10, 3>(o.a) + reshape<10, 3>(o.b)) < tolerance);
  CHECK(error_of(relu(matmul(relu(o.a), transpose(relu(o.b))) - 0.5f)) < tolerance);
}

TEST_CASE("conv2d and max_pool") {
  Tensor<float, 6, 8, 3> image;
  Tensor<float, 3, 3, 3, 8> weights;
  Tensor<float, 8> bias;
  test::randomize(image, 5);
  test::randomize(weights, 6);
  test::randomize(bias, 7);
  CHECK(error_of(conv2d(image, weights)) < tolerance);
  CHECK(error_of(relu(conv2d<1, 1>(image, weights) + bias)) < tolerance);
  CHECK(error_of(conv2d<1, 1, 1, 1, 2>(image, weights)) < tolerance);
  CHECK(error_of(max_pool<2>(relu(conv2d<1, 1>(image, weights) + bias))) < tolerance);
  CHECK(error_of(max_pool<3, 2>(image)) == 0);
}

TEST_CASE("a formula made beforehand reads its tensors and numbers when it is assigned") {
  Tensor<float, 3> x{1, 2, 3};
  const auto formula = x * 2.0f + 1;
  x(0) = 10;
  const Tensor y = formula;
  static_assert(std::is_same_v<decltype(y), const Tensor<float, 3>>);
  CHECK(y(0) == 21);
  CHECK(value(sum(x)) == 15);
}

TEST_CASE("an assignment may drop and add axes of extent 1") {
  const Tensor<float, 2, 3> a{1, 2, 3, 4, 5, 6};
  const Tensor<float, 2> rows = sum<1>(a);
  const Tensor<float> total = sum(a);
  CHECK(rows(1) == 15);
  CHECK(total() == 21);
}
