// expect: SparseCategoricalCrossentropy takes a number for each class: end the network with nn::Flatten and nn::Dense<classes>
#include <inlay/inlay.hpp>

using namespace inlay;

using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Conv2D<4, 3>>;
using OnImages = EvaluationGraph<Net, SparseCategoricalCrossentropy, Accuracy>;
static_assert(OnImages::make().nodes.size > 0);
