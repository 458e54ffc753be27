// expect: neither_an_option_nor_an_activation MaxPooling
#include "net.hpp"

struct MaxPooling {};
using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Conv2D<8, 3, MaxPooling>>;
static_assert(plan<Net>.launches > 0);
