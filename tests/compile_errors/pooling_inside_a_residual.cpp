// expect: pooling_window_does_not_divide_the_image MaxPooling2D<2 first_layer got<9, 9, 3
#include "net.hpp"

using Net = nn::Sequential<nn::Input<9, 9, 3>, nn::Residual<nn::MaxPooling2D<2>>>;
static_assert(plan<Net>.launches > 0);
