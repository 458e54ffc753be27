// expect: input_must_be_an_image_height_x_width_x_channels RandomFlip after_layer<0 got<8
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8>, nn::RandomFlip>;
static_assert(plan<Net>.launches > 0);
