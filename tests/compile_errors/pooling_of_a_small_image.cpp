// expect: window_must_fit_into_the_image MaxPooling2D<3 after_layer<1 got<2, 2, 8
#include "net.hpp"

using Net = nn::Sequential<nn::Input<4, 4, 1>, nn::Conv2D<8, 3>, nn::MaxPooling2D<3>>;
static_assert(plan<Net>.launches > 0);
