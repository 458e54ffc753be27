// expect: input_must_be_flat_put_Flatten_before_it Dense<4 called_directly got<8, 8, 3
#include "net.hpp"

struct Gate {
  static constexpr auto call(auto x) { return x * nn::Dense<4>::call(x); }
};
using Net = nn::Sequential<nn::Input<8, 8, 3>, Gate>;
static_assert(plan<Net>.launches > 0);
