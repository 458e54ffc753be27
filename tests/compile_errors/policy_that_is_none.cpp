// expect: compile<Net, ...>: after the network come Precision::..., Numerics::... and TileSize{...}
#include "net.hpp"

#include <inlay/inlay.hpp>

using Net = nn::Sequential<nn::Input<4>, nn::Dense<2>>;
auto model = compile<Net, 16>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{});
