// expect: residual_body_must_keep_the_shape_of_its_input MaxPooling2D<2 after_layer<0 got<9, 9, 3 got<4, 4, 3
#include "net.hpp"

using Net = nn::Sequential<nn::Input<9, 9, 3>, nn::Residual<nn::MaxPooling2D<2>>>;
static_assert(plan<Net>.launches > 0);
