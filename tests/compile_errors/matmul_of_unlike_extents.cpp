// expect: matmul_needs_inner_extents_that_agree got<64 got<32, 10
#include "net.hpp"

struct Product {
  static constexpr auto call(auto x) { return matmul(x, parameter<32, 10>(x, "kernel", Initializer::ones)); }
};
using Net = nn::Sequential<nn::Input<64>, Product>;
static_assert(plan<Net>.launches > 0);
