// Eigen in and out without a copy. Not part of inlay.hpp: include it where Eigen is there.
//
//   as_eigen(y).colwise().sum();                   // a Tensor as an Eigen::Map
//   Tensor<float, 3, 5> z = relu(as_tensor(map));  // an Eigen::Map or Matrix as a TensorView
#pragma once

#include <inlay/expr/tensor.hpp>

#if __has_include(<Eigen/Core>)
#include <Eigen/Core>
#else
#include <eigen3/Eigen/Core>
#endif

namespace inlay {

namespace expr::detail {
template <class T, int Rows, int Columns>
using EigenMatrix =
    Eigen::Matrix<std::remove_const_t<T>, Rows, Columns, Columns == 1 && Rows != 1 ? Eigen::ColMajor : Eigen::RowMajor>;
}

/// A matrix, or a vector as a column.
template <class T, int Rows>
auto as_eigen(Tensor<T, Rows>& tensor) {
  return Eigen::Map<expr::detail::EigenMatrix<T, Rows, 1>>(tensor.data());
}
template <class T, int Rows>
auto as_eigen(const Tensor<T, Rows>& tensor) {
  return Eigen::Map<const expr::detail::EigenMatrix<T, Rows, 1>>(tensor.data());
}
template <class T, int Rows, int Columns>
auto as_eigen(Tensor<T, Rows, Columns>& tensor) {
  return Eigen::Map<expr::detail::EigenMatrix<T, Rows, Columns>>(tensor.data());
}
template <class T, int Rows, int Columns>
auto as_eigen(const Tensor<T, Rows, Columns>& tensor) {
  return Eigen::Map<const expr::detail::EigenMatrix<T, Rows, Columns>>(tensor.data());
}

/// The elements of a contiguous row-major Eigen matrix or map of fixed size, as a view (of constant elements: as a
/// leaf of formulas); column vectors are (N).
template <class Matrix>
auto as_tensor(Matrix& matrix) {
  constexpr int rows = Matrix::RowsAtCompileTime, columns = Matrix::ColsAtCompileTime;
  static_assert(rows != Eigen::Dynamic && columns != Eigen::Dynamic, "as_tensor needs extents fixed at compile time");
  static_assert(Matrix::IsRowMajor || columns == 1,
                "as_tensor needs a row-major matrix: Inlay's tensors are row-major");
  static_assert(Matrix::InnerStrideAtCompileTime == 1 &&
                    (columns == 1 || rows == 1 || Matrix::OuterStrideAtCompileTime == columns),
                "as_tensor needs contiguous elements");
  using T = typename Matrix::Scalar;
  if constexpr (std::is_const_v<std::remove_pointer_t<decltype(matrix.data())>>) {
    if constexpr (columns == 1) return expr::Leaf<T, rows>{matrix.data()};
    else return expr::Leaf<T, rows, columns>{matrix.data()};
  } else {
    if constexpr (columns == 1) return TensorView<T, rows>(matrix.data());
    else return TensorView<T, rows, columns>(matrix.data());
  }
}

}  // namespace inlay
