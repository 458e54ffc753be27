// expect: padding_must_be_smaller_than_the_window AveragePooling2D<2 after_layer<0 got<8, 8, 1
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::AveragePooling2D<2, nn::Padding<2>>>;
static_assert(plan<Net>.launches > 0);
