// expect: input_must_be_flat_put_Flatten_before_it Dense<10 after_layer<2 got<14, 14, 64
#include "net.hpp"

using Net = nn::Sequential<nn::Input<28, 28, 1>, nn::Conv2D<64, 3, nn::Same>, nn::MaxPooling2D<2>, nn::Dense<10>>;
static_assert(plan<Net>.launches > 0);
