// expect: assigned_formula_has_another_shape got<3, 4 got<2, 4
#include <inlay/expr/tensor.hpp>

using namespace inlay;

void assign(Tensor<float, 3, 4>& y, Tensor<float, 2, 4>& x) { y = relu(x); }
