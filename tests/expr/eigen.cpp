// Eigen in and out without a copy, and agreement with Eigen's arithmetic.
#include <inlay/expr/eigen.hpp>

#include "check.hpp"

using namespace inlay;

namespace {
template <int Rows, int Columns>
using RowMajor = Eigen::Matrix<float, Rows, Columns, Eigen::RowMajor>;
}

TEST_CASE("a tensor is an Eigen map of the same memory") {
  Tensor<float, 2, 3> t{1, 2, 3, 4, 5, 6};
  CHECK(as_eigen(t).data() == t.data());
  CHECK(as_eigen(t)(1, 0) == 4);
  as_eigen(t) *= 2;
  CHECK(t(1, 2) == 12);
  const Tensor<float, 3> v{1, 2, 3};
  CHECK(as_eigen(v).sum() == 6);
}

TEST_CASE("an Eigen matrix or map is an operand and a destination") {
  RowMajor<3, 4> m = RowMajor<3, 4>::Random();
  CHECK(as_tensor(m).data() == m.data());
  const Tensor<float, 3, 4> y = relu(as_tensor(m));
  CHECK((as_eigen(y) - m.cwiseMax(0)).norm() == 0);
  float memory[12] = {};
  Eigen::Map<RowMajor<3, 4>> map(memory);
  auto view = as_tensor(map);
  view = y + 1.0f;
  CHECK((map.array() - 1 - as_eigen(y).array()).matrix().norm() < 1e-6);
  const RowMajor<3, 4>& constant = m;
  const Tensor<float, 3, 4> twice = as_tensor(constant) * 2.0f;
  CHECK((as_eigen(twice) - 2 * m).norm() == 0);
}

TEST_CASE("a product with bias and relu agrees with Eigen") {
  RowMajor<33, 20> a = RowMajor<33, 20>::Random();
  RowMajor<20, 17> w = RowMajor<20, 17>::Random();
  Eigen::Matrix<float, 17, 1> b = Eigen::Matrix<float, 17, 1>::Random();
  const Tensor<float, 33, 17> y = relu(matmul(as_tensor(a), as_tensor(w)) + as_tensor(b));
  const RowMajor<33, 17> expected = ((a * w).rowwise() + b.transpose()).cwiseMax(0);
  CHECK((as_eigen(y) - expected).cwiseAbs().maxCoeff() < 20 * 1.2e-7);
}

TEST_CASE("reductions agree with Eigen") {
  RowMajor<9, 14> m = RowMajor<9, 14>::Random();
  const Tensor<float, 9> rows = sum<1>(as_tensor(m));
  const Tensor<float, 14> largest = max<0>(as_tensor(m));
  CHECK((as_eigen(rows) - m.rowwise().sum()).norm() < 1e-5);
  CHECK((as_eigen(largest) - m.colwise().maxCoeff().transpose()).norm() == 0);
  CHECK(value(mean(as_tensor(m))) == doctest::Approx(m.mean()));
}
