// expect: the_network_has_no_layer_of_index<3 Sequential Dense<3>
#include "net.hpp"

#include <inlay/train/model.hpp>

using Net = nn::Sequential<nn::Input<4, 4, 1, std::uint8_t>, nn::Flatten, nn::Dense<3>>;

void weights(Model<Net, SGD, SparseCategoricalCrossentropy, Accuracy>& model) { model.layer<3>(); }
