// expect: input_must_be_an_image_height_x_width_x_channels MaxPooling2D<2 after_layer<1 got<64
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Flatten, nn::MaxPooling2D<2>>;
static_assert(plan<Net>.launches > 0);
