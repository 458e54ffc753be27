// expect: pooling_window_does_not_divide_the_image MaxPooling2D<2 after_layer<1 got<27, 27, 8
#include "net.hpp"

using Net = nn::Sequential<nn::Input<29, 29, 1>, nn::Conv2D<8, 3>, nn::MaxPooling2D<2>>;
static_assert(plan<Net>.launches > 0);
