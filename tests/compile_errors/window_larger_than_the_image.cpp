// expect: window_must_fit_into_the_image Conv2D<8, 5 after_layer<1 got<4, 4, 1
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::MaxPooling2D<2>, nn::Conv2D<8, 5>>;
static_assert(plan<Net>.launches > 0);
