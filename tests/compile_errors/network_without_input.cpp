// expect: network_must_begin_with_an_Input Dense<10
#include "net.hpp"

using Net = nn::Sequential<nn::Dense<10>, nn::Dense<5>>;
static_assert(plan<Net>.launches > 0);
