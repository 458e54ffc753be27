// Networks drawn from the whole vocabulary of layers by a seed, while they are compiled: a Drawn layer chooses, by
// random bits and by the shape of its input, what to be. And problems to train them on, with what the reference makes
// of them and how far rounding may stray from it.
#pragma once

#include "../support/rounding_errors.hpp"

#include <inlay/core/philox.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/average_pooling2d.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/concatenate.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/dropout.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/global_average_pooling2d.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/normalization.hpp>
#include <inlay/nn/random_cutout.hpp>
#include <inlay/nn/random_flip.hpp>
#include <inlay/nn/random_translation.hpp>
#include <inlay/nn/repeat.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <algorithm>

namespace inlay::test {

namespace detail {

template <int I, class First, class... Rest>
struct Pick : Pick<I - 1, Rest...> {};
template <class First, class... Rest>
struct Pick<0, First, Rest...> {
  using type = First;
};

/// One of the types; `Bits` are random.
template <std::uint32_t Bits, class... Types>
using choice = typename Pick<static_cast<int>(Bits % sizeof...(Types)), Types...>::type;

constexpr std::uint32_t bits(std::uint64_t seed, int layer, int number) {
  return philox(seed, static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(number)).word[0];
}

struct SqueezeExcite {
  static constexpr auto call(auto x) {
    auto gate = nn::Dense<3, nn::Relu>::call(mean_over_pixels(x));
    return x * nn::Dense<x.channels(), nn::Sigmoid>::call(gate);
  }
};

using nn::NoBias, nn::Same, nn::Sequential, nn::Strides, nn::Valid;

/// What a layer may be: options drawn with its seed and number.
template <std::uint64_t Seed, int Layer>
struct Options {
  static constexpr int K = static_cast<int>(bits(Seed, Layer, 0) % 5) * 4 + 3;  // 3 to 19
  static constexpr int even = K + 5;                                            // 8 to 24
  using Activation = choice<bits(Seed, Layer, 1), nn::Relu, nn::Sigmoid, nn::Tanh, nn::Relu6, nn::LeakyRelu<>, nn::Elu,
                            nn::Gelu, nn::Swish, nn::Softplus, nn::HardSwish>;
  using Bias = choice<bits(Seed, Layer, 2), NoBias, nn::Identity>;
  using Padding = choice<bits(Seed, Layer, 3), Same, Valid>;
  using Normalisation = choice<bits(Seed, Layer, 4), nn::BatchNormalization<>, nn::BatchNormalization<nn::NoScale>,
                               nn::BatchNormalization<nn::NoCenter, nn::Momentum<std::ratio<9, 10>>>>;
};

/// Of an image.
template <std::uint64_t Seed, int Layer, int H, int W, int C>
struct ImageLayer : Options<Seed, Layer> {
  using O = Options<Seed, Layer>;
  using A = typename O::Activation;
  using Fits = std::conditional_t<(H >= 5 && W >= 5), typename O::Padding, Same>;
  using Pooling = std::conditional_t<H % 2 == 0 && W % 2 == 0, nn::MaxPooling2D<2>,
                                     std::conditional_t<H % 3 == 0 && W % 3 == 0, nn::MaxPooling2D<3>, A>>;
  using Overlapping =
      choice<bits(Seed, Layer, 6), nn::MaxPooling2D<3, Strides<2>, Same>,
             nn::MaxPooling2D<2, Strides<1>, nn::Padding<1, 0, 0, 1>>, nn::MaxPooling2D<3, Strides<1>, Same>>;
  using Averages =
      choice<bits(Seed, Layer, 6), nn::AveragePooling2D<2, Same>, nn::AveragePooling2D<3, Strides<2>, Same>,
             nn::AveragePooling2D<3, Strides<1>, nn::Padding<1, 2>>>;
  static constexpr int groups = C % 3 == 0 ? 3 : C % 2 == 0 ? 2 : 1;
  using type =
      choice<bits(Seed, Layer, 5), nn::Conv2D<O::even, 3, Same, A>, Overlapping, Averages,
             nn::Conv2D<groups * 4, 3, Same, nn::Groups<groups>, typename O::Bias, A>,
             nn::DepthwiseConv2D<3, Same, typename O::Bias, A>, nn::DepthwiseConv2D<5, Same, Strides<2>, A>,
             Sequential<nn::DepthwiseConv2D<3, Same, NoBias>, typename O::Normalisation, nn::Conv2D<O::even, 1, A>>,
             nn::Conv2D<O::K, 3, nn::Padding<1, 0, 2, 1>, A>, nn::Conv2D<O::K, 3, Fits, typename O::Bias, A>,
             nn::Conv2D<O::K, 5, Fits, A>, nn::Conv2D<O::even, 1, A>,
             nn::Conv2D<O::K, 3, Same, Strides<2>, typename O::Bias, A>, nn::Conv2D<O::K, 2, Strides<2, 1>, A>,
             Sequential<nn::Conv2D<O::K, 3, Same, NoBias>, typename O::Normalisation, A>,
             Sequential<nn::Conv2D<O::even, 3, Same, A>, Pooling>, Pooling, typename O::Normalisation, A,
             nn::Dropout<std::ratio<1, 4>>, SqueezeExcite,
             nn::Residual<nn::Conv2D<C, 3, Same, NoBias>, typename O::Normalisation, A, nn::Conv2D<C, 3, Same>>,
             nn::Residual<Sequential<nn::Conv2D<O::K, 3, Same, Strides<2>, A>, nn::Conv2D<O::even, 3, Same>>,
                          Sequential<nn::Conv2D<O::even, 1, Strides<2>, NoBias>, typename O::Normalisation>>,
             nn::Add<nn::Identity, nn::Conv2D<C, 1, A>, nn::Conv2D<C, 3, Same>>,
             nn::Concatenate<nn::Identity, nn::Conv2D<O::K, 3, Same, A>>,
             nn::Concatenate<nn::Conv2D<O::K, 1, A>, Sequential<nn::Conv2D<4, 1, A>, nn::Conv2D<O::even, 3, Same>>>,
             nn::Repeat<2, nn::Conv2D<6, 3, Same, A>>>;
};

/// Of a vector of N.
template <std::uint64_t Seed, int Layer, int N>
struct VectorLayer : Options<Seed, Layer> {
  using O = Options<Seed, Layer>;
  using A = typename O::Activation;
  using type = choice<bits(Seed, Layer, 5), nn::Dense<O::even, A>, nn::Dense<O::K, typename O::Bias, A>,
                      Sequential<nn::Dense<O::K, NoBias>, typename O::Normalisation, A>, nn::Dropout<std::ratio<1, 2>>,
                      nn::Residual<nn::Dense<N, A>>, nn::Concatenate<nn::Identity, nn::Dense<O::K, A>>,
                      nn::Add<nn::Dense<O::K, A>, Sequential<nn::Dense<4>, nn::Dense<O::K>>>, nn::Softmax>;
};

template <std::uint64_t Seed, int Layer>
struct Drawn {
  template <Element E, bool Batched, int H, int W, int C>
  static constexpr auto call(Symbol<E, Batched, H, W, C> x) {
    using Chosen = typename ImageLayer<Seed, Layer, H, W, C>::type;
    return Sequential<Chosen>::call(x);
  }
  template <Element E, bool Batched, int N>
  static constexpr auto call(Symbol<E, Batched, N> x) {
    using Chosen = typename VectorLayer<Seed, Layer, N>::type;
    return Sequential<Chosen>::call(x);
  }
};

template <std::uint64_t Seed>
struct RandomNetwork {
  using Bytes =
      Sequential<choice<bits(Seed, 0, 0), nn::RandomFlip, nn::RandomTranslation<2>, nn::Identity>,
                 nn::Rescaling<std::ratio<1, 255>>,
                 choice<bits(Seed, 0, 1), nn::RandomCutout<3>, nn::Identity,
                        nn::Normalization<nn::Mean<std::ratio<1, 2>>, nn::StandardDeviation<std::ratio<1, 3>>>>>;
  static constexpr int H = 6 + static_cast<int>(bits(Seed, 0, 2) % 5), W = 6 + static_cast<int>(bits(Seed, 0, 3) % 5);
  static constexpr int C = 1 + static_cast<int>(bits(Seed, 0, 4) % 3);
  static constexpr bool bytes = bits(Seed, 0, 5) % 2 == 0;
  using type =
      Sequential<std::conditional_t<bytes, nn::Input<H, W, C, std::uint8_t>, nn::Input<H, W, C>>,
                 std::conditional_t<bytes, Bytes, nn::Identity>, Drawn<Seed, 1>, Drawn<Seed, 2>, Drawn<Seed, 3>,
                 choice<bits(Seed, 0, 6), nn::Flatten, nn::GlobalAveragePooling2D, nn::Flatten>, Drawn<Seed, 4>,
                 nn::Dense<3>>;
};

}  // namespace detail

template <std::uint64_t Seed>
using random_network = typename detail::RandomNetwork<Seed>::type;

/// A run of a graph: what it should give, and what every output and next parameter may be off.
struct ExpectedRun {
  Graph graph;
  int samples;
  std::vector<reference::Values> inputs, parameters;
  reference::Result expected;
  std::vector<reference::Values> output_tolerances, parameter_tolerances;  // empty: unchanged

  ExpectedRun(const Graph& of, int sample_count, std::uint32_t seed, double winograd_growth)
      : graph(of), samples(sample_count) {
    std::mt19937 engine(seed);
    draw_inputs(engine);
    draw_parameters(engine);
    expected = reference::evaluate(graph, samples, inputs, parameters);
    const RoundingErrors errors(graph, samples, expected, winograd_growth);
    parameter_tolerances.resize(parameters.size());
    for (const Output& output : graph.outputs) {
      if (output.is_update())
        parameter_tolerances[static_cast<std::size_t>(output.parameter)] = errors.of_node(output.node);
      else output_tolerances.push_back(errors.of_node(output.node));
    }
  }

  /// Relative to the largest value of a tensor.
  double median_tolerance() const {
    std::vector<double> relative;
    auto add = [&](const reference::Values& values, const reference::Values& tolerances) {
      double most = 1e-3;  // a tensor of zeros has no size of its own
      for (double x : values) most = std::max(most, std::fabs(x));
      for (double tolerance : tolerances) relative.push_back(tolerance / most);
    };
    for (std::size_t i = 0; i < output_tolerances.size(); ++i) add(expected.outputs[i], output_tolerances[i]);
    for (std::size_t i = 0; i < parameter_tolerances.size(); ++i) add(expected.updated[i], parameter_tolerances[i]);
    const auto middle = relative.begin() + static_cast<std::ptrdiff_t>(relative.size() / 2);
    std::nth_element(relative.begin(), middle, relative.end());
    return *middle;
  }

 private:
  static double uniform(std::mt19937& engine) { return static_cast<double>(engine() >> 8) / 16777216; }

  /// Labels below 3; after them label smoothing, if there are labels, and the numbers of SGD.
  void draw_inputs(std::mt19937& engine) {
    int labels = -1;
    for (int i = 0; i < graph.inputs.size; ++i) {
      const Input& input = graph.inputs[i];
      if (input.element == Element::i32) labels = i;
      reference::Values values(static_cast<std::size_t>(input.shape.count() * (input.batched ? samples : 1)));
      for (double& x : values) {
        const double u = uniform(engine);
        x = input.element == Element::f32 ? 2 * u - 1 : std::floor(u * (input.element == Element::u8 ? 256 : 3));
      }
      inputs.push_back(values);
    }
    if (labels < 0) return;
    const float numbers[] = {0.1f, 0.25f, 0.9f, 0.01f, 0.9f, 1};  // label smoothing; rate, momentum, decay, Nesterov's
    const int count = sizeof numbers / sizeof numbers[0];
    for (int i = 0; i < count; ++i) inputs[inputs.size() - static_cast<std::size_t>(count - i)] = {double{numbers[i]}};
  }
  /// As training finds them: kernels of variance 1 / fan_in, positive variances.
  void draw_parameters(std::mt19937& engine) {
    for (const Parameter& p : graph.parameters) {
      const bool positive = p.initializer == Initializer::ones;
      const double scale = p.initializer == Initializer::zeros ? 0.25 : std::sqrt(3.0 / p.fan_in);
      reference::Values values(static_cast<std::size_t>(p.shape.count()));
      for (double& x : values) {
        const double u = uniform(engine);
        x = double{static_cast<float>(positive ? 0.5 + u : scale * (2 * u - 1))};
      }
      parameters.push_back(values);
    }
  }
};

/// Of a graph, with numbers for which no decision of importance is a near tie: tolerances do not pass because they are
/// wide.
inline ExpectedRun expected_run(const Graph& graph, std::uint32_t seed, double winograd_growth) {
  for (std::uint32_t attempt = 0; attempt < 32; ++attempt)
    if (ExpectedRun run(graph, 5, seed + 1000 * attempt, winograd_growth); run.median_tolerance() < 0.05) return run;
  throw Error("a random network has near ties with all numbers that were tried");
}

/// The worst error, as a share of its tolerance.
class Strayed {
 public:
  double worst = 0;

  void add(const std::vector<float>& got, const reference::Values& expected, const reference::Values& tolerances) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double tolerance = tolerances.empty() ? 0 : tolerances[i];
      const double off = std::fabs(got.at(i) - expected[i]) / (tolerance + 1e-30);
      worst = std::max(worst, std::isnan(off) ? HUGE_VAL : off);
    }
  }
};

template <class Net>
using TrainingProgram = Program<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>;

}  // namespace inlay::test
