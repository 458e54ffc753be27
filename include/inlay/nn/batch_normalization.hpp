// Batch normalisation (Ioffe and Szegedy, ICML 2015): each channel is brought to mean 0 and variance 1 over the batch
// and all pixels, then scaled and shifted. The two sums are made where the values are made, and what remains is a map
// that the readers of the values take in: training passes over no value again. Inference uses moving averages and is
// one multiplication and addition, which joins the convolution before it.
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

namespace inlay::nn {

/// Share of the old moving average that a step keeps.
template <class Ratio>
struct Momentum {};
/// Added to the variance.
template <class Ratio>
struct Epsilon {};
struct NoScale {};
struct NoCenter {};

namespace detail {

template <class Ratio>
inline constexpr unsigned option_kind<Momentum<Ratio>> = of_normalization;
template <class Ratio>
inline constexpr unsigned option_kind<Epsilon<Ratio>> = of_normalization;
template <>
inline constexpr unsigned option_kind<NoScale> = of_normalization;
template <>
inline constexpr unsigned option_kind<NoCenter> = of_normalization;

template <template <class> class Tag, class Default, class... Options>
struct RatioOf {
  static constexpr float value = ratio<Default>;
};
template <template <class> class Tag, class Default, class First, class... Rest>
struct RatioOf<Tag, Default, First, Rest...> : RatioOf<Tag, Default, Rest...> {};
template <template <class> class Tag, class Default, class Ratio, class... Rest>
struct RatioOf<Tag, Default, Tag<Ratio>, Rest...> : RatioOf<Tag, Ratio> {};

}  // namespace detail

/// Keras' BatchNormalization over the last axis; parameters gamma, beta, moving_mean, moving_variance (C each).
/// Options: Momentum<std::ratio<99, 100>>, Epsilon<std::ratio<1, 1000>> (these are the defaults), NoScale, NoCenter, an
/// activation. Moving averages take the variance over the batch without Bessel's correction, as Keras does. Where there
/// is one value a channel (a vector, or H = W = 1) Model refuses to train on a single sample.
template <class... Options>
struct BatchNormalization {
  static constexpr const char* name = "batch_normalization";
  static constexpr float momentum = detail::RatioOf<Momentum, std::ratio<99, 100>, Options...>::value;
  static constexpr float epsilon = detail::RatioOf<Epsilon, std::ratio<1, 1000>, Options...>::value;

  template <class X, class Position>
  static consteval void check() {
    detail::check_options<BatchNormalization, Position, detail::of_normalization | detail::activation, Options...>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    constexpr int C = X::channels();
    Scope scope(*x.tracer, name);
    auto gamma = parameter_or<C, !detail::has<NoScale, Options...>>(x, "gamma", Initializer::ones, 1.0f);
    auto beta = parameter_or<C, !detail::has<NoCenter, Options...>>(x, "beta", Initializer::zeros, 0.0f);
    auto moving_mean = parameter<C>(x, "moving_mean", Initializer::zeros, 1, 1, false);
    auto moving_variance = parameter<C>(x, "moving_variance", Initializer::ones, 1, 1, false);
    if (x.tracer->training) {
      auto mean = mean_of_channels(x);
      auto variance = variance_of_channels(x);
      assign_in_training(moving_mean, moving_mean * momentum + mean * (1 - momentum));
      constexpr int least_samples = X::size() == C ? 2 : 1;  // a single value has no variance
      assign_in_training(moving_variance, moving_variance * momentum + variance * (1 - momentum), least_samples);
      return detail::Activation<Options...>::call((x - mean) * (gamma / sqrt(variance + epsilon)) + beta);
    }
    auto scale = gamma / sqrt(moving_variance + epsilon);
    return detail::Activation<Options...>::call(x * scale + (beta - moving_mean * scale));
  }

 private:
  template <int C, bool Exists>
  static constexpr auto parameter_or(SymbolicTensor auto x, const char* of, Initializer initializer, float otherwise) {
    if constexpr (Exists) return parameter<C>(x, of, initializer);
    else return inlay::detail::symbol(x, otherwise);
  }
};

}  // namespace inlay::nn
