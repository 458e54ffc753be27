// Networks that the tests of the passes share, and questions about their plans.
#pragma once

#include <inlay/graph/program.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

namespace inlay::test {

/// The network of design.md with Size x Size images and Width, 2 Width filters.
template <int Size, int Width>
using SeedLike = nn::Sequential<nn::Input<Size, Size, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                                nn::Conv2D<Width, 3, nn::Same, nn::Relu>, nn::Conv2D<2 * Width, 3, nn::Same, nn::Relu>,
                                nn::Conv2D<2 * Width, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                                nn::Dense<2 * Width, nn::Relu>, nn::Dense<10>>;
using Seed = SeedLike<28, 32>;
using SmallSeed = SeedLike<8, 4>;

/// A layer written as an expression, with parameters of its own.
struct SqueezeExcite {
  static constexpr auto call(auto x) {
    auto gate = nn::Dense<x.channels() / 2, nn::Relu>::call(mean_over_pixels(x));
    return x * nn::Dense<x.channels(), nn::Sigmoid>::call(gate);
  }
};

using ResidualNet = nn::Sequential<nn::Input<6, 6, 2>, nn::Conv2D<4, 3, nn::Same, nn::Relu>,
                                   nn::Residual<nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Conv2D<4, 3, nn::Same>>,
                                   nn::Residual<nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Conv2D<4, 3, nn::Same>>,
                                   nn::MaxPooling2D<3>, nn::Flatten, nn::Dense<3>>;
using SqueezeExciteNet =
    nn::Sequential<nn::Input<4, 4, 2>, nn::Conv2D<4, 3, nn::Relu>, SqueezeExcite, nn::Flatten, nn::Dense<3>>;
using DenseNet = nn::Sequential<nn::Input<7>, nn::Dense<6, nn::Tanh>, nn::Dense<5, nn::Relu, nn::NoBias>,
                                nn::Dense<4, nn::Sigmoid>, nn::Dense<3>>;
using StridedNet = nn::Sequential<nn::Input<9, 7, 1>, nn::Conv2D<3, 3, nn::Strides<2>, nn::Tanh>,
                                  nn::Conv2D<4, 2, nn::Same, nn::Strides<2>, nn::Relu>, nn::Flatten, nn::Dense<3>>;

template <class Net, class Optimizer = Adam>
using Training = TrainingGraph<Net, Optimizer, SparseCategoricalCrossentropy, Accuracy>;

}  // namespace inlay::test
