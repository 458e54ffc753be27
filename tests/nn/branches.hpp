// Networks with branches.
#pragma once

#include <inlay/nn/activations.hpp>
#include <inlay/nn/add.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/concatenate.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/identity.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
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

/// Images of 44 channels, whose border lies inside a vector, then one inside another, pooled ones, and vectors.
using ConcatenatedNet = nn::Sequential<
    nn::Input<6, 6, 2>, nn::Concatenate<nn::Conv2D<20, 3, nn::Same, nn::Tanh>, nn::Conv2D<24, 1, nn::Sigmoid>>,
    nn::Concatenate<nn::Identity, nn::Conv2D<5, 3, nn::Same>, nn::Sequential<nn::Conv2D<3, 1, nn::Tanh>>>,
    nn::MaxPooling2D<2>, nn::Concatenate<nn::Conv2D<4, 3, nn::Same>, nn::Conv2D<3, 1>>, nn::Flatten,
    nn::Concatenate<nn::Dense<5, nn::Tanh>, nn::Dense<18>>, nn::Dense<3>>;

}  // namespace inlay::test
