// The networks of the examples and benchmarks, for 28 x 28 grey images as of Fashion-MNIST: 10 classes, bytes in,
// logits out.
#pragma once

#include <inlay/inlay.hpp>

namespace networks {

using namespace inlay;
using nn::NoBias, nn::Relu, nn::Same, nn::Sequential;

using Image = nn::Input<28, 28, 1, std::uint8_t>;
using ToUnit = nn::Rescaling<std::ratio<1, 255>>;

/// The small network that fashion_mnist trains.
using Seed =
    Sequential<Image, ToUnit, nn::Conv2D<32, 3, Same, Relu>, nn::Conv2D<64, 3, Same, Relu>,
               nn::Conv2D<64, 3, Same, Relu>, nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<64, Relu>, nn::Dense<10>>;

/// A convolution of 3 x 3, and batch normalisation in the place of its bias. Options of the normalisation follow.
template <int Channels, class... Options>
using Convolution = Sequential<nn::Conv2D<Channels, 3, Same, NoBias>,
                               nn::BatchNormalization<nn::Momentum<std::ratio<9, 10>>, Options...>>;

/// A hidden dense layer, likewise.
using HiddenLayer = Sequential<nn::Dense<64, NoBias>, nn::BatchNormalization<nn::Momentum<std::ratio<9, 10>>, Relu>>;

/// Seed with batch normalisation of every hidden layer.
using NormalisedSeed = Sequential<Image, ToUnit, Convolution<32, Relu>, Convolution<64, Relu>, Convolution<64, Relu>,
                                  nn::MaxPooling2D<2>, nn::Flatten, HiddenLayer, nn::Dense<10>>;

/// The same with its second and third convolution in a residual connection, which a 1 x 1 convolution brings from 32 to
/// 64 channels.
using ResidualSeed =
    Sequential<Image, ToUnit, Convolution<32, Relu>,
               nn::Residual<Sequential<Convolution<64, Relu>, Convolution<64>>, nn::Conv2D<64, 1, NoBias>>, Relu,
               nn::MaxPooling2D<2>, nn::Flatten, HiddenLayer, nn::Dense<10>>;

/// What training sees of an image: shifted and mirrored.
using Augmentation = Sequential<nn::RandomTranslation<2>, nn::RandomFlip>;

/// Two convolutions around which their input flows.
template <int Channels>
using Block = Sequential<nn::Residual<Convolution<Channels, Relu>, Convolution<Channels>>, Relu>;
/// The same to half the height and width and other channels.
template <int Channels>
using HalvingBlock = Sequential<
    nn::Residual<Sequential<nn::Conv2D<Channels, 3, Same, nn::Strides<2>, NoBias>,
                            nn::BatchNormalization<nn::Momentum<std::ratio<9, 10>>, Relu>, Convolution<Channels>>,
                 Sequential<nn::Conv2D<Channels, 1, nn::Strides<2>, NoBias>,
                            nn::BatchNormalization<nn::Momentum<std::ratio<9, 10>>>>>,
    Relu>;

/// K. He, X. Zhang, S. Ren, J. Sun: "Deep residual learning for image recognition", CVPR 2016, section 4.2, with 3
/// blocks a stage and projections where the shape changes.
using ResNet20 = Sequential<Image, Augmentation, ToUnit, Convolution<16, Relu>, nn::Repeat<3, Block<16>>,
                            HalvingBlock<32>, nn::Repeat<2, Block<32>>, HalvingBlock<64>, nn::Repeat<2, Block<64>>,
                            nn::GlobalAveragePooling2D, nn::Dense<10>>;

/// D. Page's ResNet-9 ("How to train your ResNet", 2018; DAWNBench) for a CPU: half his channels in the first three
/// layers, 128 instead of 512 in the last three; 28 x 28, 14 x 14 and 7 x 7 pixels in the place of his four sizes, and
/// the mean over what is left, not the maximum.
using ResNet9 =
    Sequential<Image, Augmentation, ToUnit, Convolution<32, Relu>, Convolution<64, Relu>, nn::MaxPooling2D<2>,
               nn::Residual<Convolution<64, Relu>, Convolution<64, Relu>>, Convolution<128, Relu>, nn::MaxPooling2D<2>,
               Convolution<128, Relu>, nn::Residual<Convolution<128, Relu>, Convolution<128, Relu>>,
               nn::GlobalAveragePooling2D, nn::Dense<10>>;

}  // namespace networks
