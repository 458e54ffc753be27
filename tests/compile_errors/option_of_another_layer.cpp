// expect: the_layer_does_not_take_the_option Dense<8 after_layer<1 Strides<2
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Flatten, nn::Dense<8, nn::Strides<2>>>;
static_assert(plan<Net>.launches > 0);
