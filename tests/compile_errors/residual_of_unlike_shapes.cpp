// expect: residual_body_must_keep_the_shape_of_its_input Residual< Conv2D<16, 3 after_layer<1 got<26, 26, 8 got<24, 24,
// 16
#include "net.hpp"

using Net = nn::Sequential<nn::Input<28, 28, 1>, nn::Conv2D<8, 3>, nn::Residual<nn::Conv2D<16, 3>>>;
static_assert(plan<Net>.launches > 0);
