// expect: conv2d_needs_an_image_and_weights_with_as_many_input_channels got<8, 8, 3 got<3, 3, 4, 16
#include "net.hpp"

struct Product {
  static constexpr auto call(auto x) { return conv2d(x, parameter<3, 3, 4, 16>(x, "kernel", Initializer::ones)); }
};
using Net = nn::Sequential<nn::Input<8, 8, 3>, Product>;
static_assert(plan<Net>.launches > 0);
