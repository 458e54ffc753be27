// expect: summands_must_have_the_same_shape Residual< after_layer<1 got<4, 4, 16 got<4, 4, 8
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 3>, nn::Conv2D<8, 3, nn::Same>,
                           nn::Residual<nn::Sequential<nn::Conv2D<16, 3, nn::Same, nn::Strides<2>>>,
                                        nn::Conv2D<8, 1, nn::Strides<2>>>>;
static_assert(plan<Net>.launches > 0);
