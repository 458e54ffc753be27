// Networks whose batch normalisations sum in every kind of stage.
#pragma once

#include <inlay/nn/activations.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/global_average_pooling2d.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay::test {

using nn::NoBias, nn::Relu, nn::Same;

/// Direct, one-pixel and strided convolutions of odd channel counts; sums of values, of pooled values beside a
/// convolution and beside pooling alone, and of a dense layer's outputs.
using NormalisedStages =
    nn::Sequential<nn::Input<12, 12, 3>, nn::Conv2D<17, 3, Same, NoBias>, nn::BatchNormalization<Relu>,
                   nn::MaxPooling2D<2>, nn::BatchNormalization<>, nn::Conv2D<8, 1, NoBias>, nn::MaxPooling2D<2>,
                   nn::BatchNormalization<Relu>, nn::Conv2D<5, 3, Same, nn::Strides<2>>, nn::BatchNormalization<>, Relu,
                   nn::Flatten, nn::Dense<12>, nn::BatchNormalization<nn::NoScale, nn::Swish>, nn::Dense<3>>;

/// Convolutions of many channels, and one whose values a flattened normalisation reads channel by channel of its own.
using NormalisedChannels =
    nn::Sequential<nn::Input<9, 7, 2>, nn::BatchNormalization<>, nn::Conv2D<40, 3, Same, NoBias>,
                   nn::BatchNormalization<Relu>, nn::Conv2D<24, 3, NoBias>, nn::BatchNormalization<Relu>,
                   nn::Residual<nn::Conv2D<24, 3, Same, NoBias>, nn::BatchNormalization<>>, nn::Conv2D<2, 3>,
                   nn::Flatten, nn::BatchNormalization<>, nn::Dense<3>>;

/// A pooling window larger than a tile of the GPU's kernels.
using NormalisedWindows = nn::Sequential<nn::Input<18, 18, 1>, nn::Conv2D<6, 3, Same, NoBias>, nn::MaxPooling2D<9>,
                                         nn::BatchNormalization<Relu>, nn::Flatten, nn::Dense<3>>;

}  // namespace inlay::test
