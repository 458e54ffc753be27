// expect: dropout_rate_must_be_at_least_0_and_less_than_1 Dropout< after_layer<1 got<8, 8, 4
#include "net.hpp"

using Net = nn::Sequential<nn::Input<8, 8, 3>, nn::Conv2D<4, 3, nn::Same>, nn::Dropout<std::ratio<1>>>;
static_assert(plan<Net>.launches > 0);
