// Networks with random numbers, as programs of their forward pass in training.
#pragma once

#include <inlay/core/random.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/dropout.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/normalization.hpp>
#include <inlay/nn/random_cutout.hpp>
#include <inlay/nn/random_flip.hpp>
#include <inlay/nn/random_translation.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay::test {

template <class Net>
struct InTraining {
  static constexpr Graph make() {
    Tracer tracer;
    tracer.training = true;
    tracer.graph.outputs.push(Output{Net::call(network_input<Net>(tracer)).node});
    return tracer.graph;
  }
};

/// Numbers as they are drawn: one a sample, rows of whole vectors, rows that are none, and whole numbers.
struct Draws {
  static constexpr Graph make() {
    Tracer tracer;
    tracer.training = true;
    auto x = nn::Input<2>::input(tracer);
    auto put = [&](auto y) { tracer.graph.outputs.push(Output{y.node}); };
    put(random_uniform<1>(x));
    put(random_uniform<3, 5, 16>(x));
    put(random_uniform<3, 5, 7>(x));
    put(random_integer<7, 3, 5, 16>(x));
    put(random_integer<9, 1, 1, 1>(x));
    return tracer.graph;
  }
};

/// Every random layer: an augmented image, and dropout behind a convolution, a pooling and a dense layer.
using RandomNet =
    nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::RandomFlip, nn::RandomTranslation<2>,
                   nn::Rescaling<std::ratio<1, 255>>, nn::RandomCutout<3>,
                   nn::Normalization<nn::Mean<std::ratio<1, 2>>, nn::StandardDeviation<std::ratio<1, 3>>>,
                   nn::Conv2D<16, 3, nn::Same, nn::Relu>, nn::Dropout<std::ratio<1, 8>>,
                   nn::Conv2D<6, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Dropout<std::ratio<1, 4>>,
                   nn::Flatten, nn::Dense<8, nn::Relu>, nn::Dropout<std::ratio<1, 2>>, nn::Dense<3>>;

/// A read at other pixels that the convolution's load takes in.
using FlippedNet = nn::Sequential<nn::Input<6, 5, 2, std::uint8_t>, nn::RandomFlip, nn::Rescaling<std::ratio<1, 255>>,
                                  nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Flatten, nn::Dense<3>>;

}  // namespace inlay::test
