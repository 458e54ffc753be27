// expect: nn::Input takes height, width and channels (grey images have 1), or the length of a vector
#include "net.hpp"

using Net = nn::Sequential<nn::Input<28, 28>, nn::Flatten, nn::Dense<10>>;
static_assert(plan<Net>.launches > 0);
