// expect: input_must_be_an_image_height_x_width_x_channels Conv2D<8, 3 after_layer<1 got<64
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Flatten, nn::Conv2D<8, 3>>;
static_assert(plan<Net>.launches > 0);
