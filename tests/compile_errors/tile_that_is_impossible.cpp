// expect: compile<Net, TileSize{...}>: a tile has 64, 128 or 256 rows and 16, 32, 64 or 128 columns
#include "net.hpp"

#include <inlay/inlay.hpp>

using Net = nn::Sequential<nn::Input<4>, nn::Dense<2>>;
auto model = compile<Net, TileSize{.rows = 96, .columns = 64}>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{});
