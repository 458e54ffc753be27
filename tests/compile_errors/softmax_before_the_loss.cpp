// expect: the loss applies the softmax itself, as Keras' does with from_logits=True; leave nn::Softmax out of the network's last layer
#include <inlay/inlay.hpp>

using namespace inlay;

using Net = nn::Sequential<nn::Input<2, 2, 1, std::uint8_t>, nn::Flatten, nn::Dense<3, nn::Softmax>>;

void train() { compile<Net>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{}); }
