// expect: success
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Residual<nn::Conv2D<1, 3, nn::Same>>, nn::MaxPooling2D<2>,
                           nn::Flatten, nn::Dense<10>>;
static_assert(plan<Net>.launches > 0);
