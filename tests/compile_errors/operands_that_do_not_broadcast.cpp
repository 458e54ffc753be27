// expect: shapes_do_not_broadcast got<8, 8, 3 got<4
#include "net.hpp"

struct Sum {
  static constexpr auto call(auto x) { return x + parameter<4>(x, "bias", Initializer::zeros); }
};
using Net = nn::Sequential<nn::Input<8, 8, 3>, Sum>;
static_assert(plan<Net>.launches > 0);
