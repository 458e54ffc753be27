// expect: success
#include "net.hpp"

#include <inlay/inlay.hpp>

using Net = nn::Sequential<nn::Input<4, 4, 1, std::uint8_t>, nn::Flatten, nn::Dense<2>>;
void make() {
  compile<Net, Precision::bf16, TileSize{.rows = 256}>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{});
}
