// expect: groups_must_divide_the_channels_and_the_filters Conv2D<8 after_layer<1 got<6, 6, 6
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Conv2D<6, 3>, nn::Conv2D<8, 3, nn::Groups<4>>>;
static_assert(plan<Net>.launches > 0);
