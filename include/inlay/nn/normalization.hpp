// Normalization: (x - mean) / deviation by channel, with constants of the data set; the same in training and inference.
// Inlined into the loads of the layer that follows. (Keras' Normalization(mean=, variance=), with the variance's root.)
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

namespace inlay {
namespace error {
template <class Layer, class Position, class Got>
struct normalization_needs_one_ratio_for_all_channels_or_one_for_each;
template <class Layer, class Position, class Got>
struct standard_deviations_must_be_positive;
}  // namespace error

namespace nn {

/// std::ratios, one for each channel or one for all.
template <class... Ratios>
struct Mean {};
template <class... Ratios>
struct StandardDeviation {};

template <class Means, class Deviations>
struct Normalization;
template <class... Means, class... Deviations>
struct Normalization<Mean<Means...>, StandardDeviation<Deviations...>> {
  static constexpr const char* name = "normalization";

  template <class X, class Position>
  static consteval void check() {
    constexpr int channels = X::channels(), means = sizeof...(Means), deviations = sizeof...(Deviations);
    error::require<(means == channels || means == 1) && (deviations == channels || deviations == 1),
                   error::normalization_needs_one_ratio_for_all_channels_or_one_for_each<Normalization, Position,
                                                                                         error::got_t<X>>>();
    error::require<((Deviations::num > 0) && ...),
                   error::standard_deviations_must_be_positive<Normalization, Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    return (x - by_channel(x, detail::ratio<Means>...)) * by_channel(x, 1 / detail::ratio<Deviations>...);
  }

 private:
  /// The numbers as a vector of channels; one number as itself.
  template <class... Numbers>
  static constexpr auto by_channel(SymbolicTensor auto x, float first, Numbers... rest) {
    if constexpr (sizeof...(Numbers) == 0) return inlay::detail::symbol(x, first);
    else return from(iota<1 + sizeof...(Numbers)>(x), 0, first, rest...);
  }
  template <class... Numbers>
  static constexpr auto from(SymbolicTensor auto channels, int channel, float first, Numbers... rest) {
    if constexpr (sizeof...(Numbers) == 0) return inlay::detail::symbol(channels, first);
    else return select(equal(channels, static_cast<float>(channel)), first, from(channels, channel + 1, rest...));
  }
};

}  // namespace nn
}  // namespace inlay
