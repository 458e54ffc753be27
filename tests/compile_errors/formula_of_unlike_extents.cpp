// expect: matmul_needs_inner_extents_that_agree got<2, 4 got<3, 5
#include <inlay/expr/tensor.hpp>

using namespace inlay;

void assign(Tensor<float, 2, 5>& y, Tensor<float, 2, 4>& a, Tensor<float, 3, 5>& b) { y = relu(matmul(a, b)); }
