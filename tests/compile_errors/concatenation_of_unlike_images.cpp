// expect: concatenated_branches_must_have_the_same_height_and_width Concatenate< after_layer<0 got<8, 8, 3 got<6, 6, 4
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 3>, nn::Concatenate<nn::Identity, nn::Conv2D<5, 1>, nn::Conv2D<4, 3>>>;
static_assert(plan<Net>.launches > 0);
