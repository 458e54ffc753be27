// Networks of windows that overlap, are padded, leave rest pixels out, and of convolutions in groups.
#pragma once

#include <inlay/nn/activations.hpp>
#include <inlay/nn/average_pooling2d.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/sequential.hpp>

namespace inlay::test {

using nn::Padding, nn::Same, nn::Strides;

using MaxPools =
    nn::Sequential<nn::Input<13, 11, 3>, nn::Conv2D<8, 3, Same, nn::Relu>, nn::MaxPooling2D<3, Strides<2>, Same>,
                   nn::Conv2D<17, 1>, nn::MaxPooling2D<2>, nn::Conv2D<5, 3, Same, nn::Tanh>,
                   nn::MaxPooling2D<3, Strides<1>, Padding<1, 0, 2, 1>>, nn::Flatten, nn::Dense<3>>;
using AveragePools =
    nn::Sequential<nn::Input<13, 11, 3>, nn::Conv2D<8, 3, Same>, nn::AveragePooling2D<3, Strides<2>, Same>,
                   nn::Conv2D<17, 1, nn::Relu>, nn::AveragePooling2D<2>, nn::Conv2D<5, 3, Same, nn::Tanh>,
                   nn::AveragePooling2D<3, Strides<1, 2>, Padding<1, 0, 2, 1>>, nn::Flatten, nn::Dense<3>>;
using Grouped =
    nn::Sequential<nn::Input<9, 7, 4>, nn::Conv2D<6, 3, Same, nn::Groups<2>, nn::Relu>,
                   nn::DepthwiseConv2D<3, Same, nn::Tanh>, nn::Conv2D<16, 3, Padding<2, 1>, nn::Strides<2>>,
                   nn::DepthwiseConv2D<3, Strides<2>, Same, nn::NoBias>, nn::Conv2D<32, 1, nn::Groups<2>, nn::Relu>,
                   nn::Conv2D<8, 3, Padding<1>, nn::Groups<4>>, nn::Flatten, nn::Dense<3>>;

}  // namespace inlay::test
