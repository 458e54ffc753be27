// expect: input_must_be_flat_put_Flatten_before_it Dense<4 after_layer<0 got<8, 8, 3
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 3>, nn::Residual<nn::Sequential<nn::Flatten, nn::Dense<4>>, nn::Dense<4>>>;
static_assert(plan<Net>.launches > 0);
