// expect: the value has no such axis: axes are numbered from 0, or from -1 for the last
#include <inlay/inlay.hpp>

using namespace inlay;

Tensor<float, 4> row_sums(Tensor<float, 4, 5>& a) { return sum<2>(a); }
