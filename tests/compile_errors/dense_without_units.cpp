// expect: nn::Dense has at least one unit
#include "net.hpp"

using Net = nn::Sequential<nn::Input<28>, nn::Dense<0>>;
static_assert(plan<Net>.launches > 0);
