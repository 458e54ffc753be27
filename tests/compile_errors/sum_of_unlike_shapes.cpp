// expect: summands_must_have_the_same_shape Add< after_layer<0 got<8, 8, 3 got<6, 6, 3
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 3>, nn::Add<nn::Identity, nn::Conv2D<3, 1>, nn::Conv2D<3, 3>>>;
static_assert(plan<Net>.launches > 0);
