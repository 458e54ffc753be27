// Networks with branches.
#pragma once

#include <inlay/nn/activations.hpp>
#include <inlay/nn/add.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/identity.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay::test {

using Projection = nn::Residual<
    nn::Sequential<nn::Conv2D<4, 3, nn::Same, nn::Strides<2>, nn::Tanh>, nn::Conv2D<4, 3, nn::Same, nn::NoBias>>,
    nn::Conv2D<4, 1, nn::Strides<2>>>;
using Branches = nn::Add<nn::Identity, nn::Conv2D<4, 3, nn::Same>,
                         nn::Sequential<nn::Conv2D<2, 1, nn::Tanh>, nn::Conv2D<4, 3, nn::Same>>>;
using BranchedNet = nn::Sequential<nn::Input<6, 6, 2>, Projection, Branches, nn::Sequential<nn::Flatten, nn::Dense<3>>>;

/// A unit of ResNet: both branches end in a normalisation.
using Normalised = nn::Residual<
    nn::Sequential<nn::Conv2D<4, 3, nn::Same, nn::Strides<2>, nn::NoBias>, nn::BatchNormalization<nn::Relu>,
                   nn::Conv2D<4, 3, nn::Same, nn::NoBias>, nn::BatchNormalization<>>,
    nn::Sequential<nn::Conv2D<4, 1, nn::Strides<2>, nn::NoBias>, nn::BatchNormalization<>>>;
using NormalisedNet = nn::Sequential<nn::Input<6, 6, 2>, Normalised, nn::Relu, nn::Flatten, nn::Dense<3>>;

}  // namespace inlay::test
