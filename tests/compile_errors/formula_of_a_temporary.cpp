// expect: give this tensor a name
#include <inlay/expr/tensor.hpp>

using namespace inlay;

Tensor<float, 2> make();
void assign(Tensor<float, 2>& y) { y = relu(make()); }
