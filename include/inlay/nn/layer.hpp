// What every layer is: a type with `static constexpr auto call(auto x)`, a function of a symbolic tensor. Options
// that change the program are tag types after the positional arguments. A layer may also have
// `check<X, Position>()`, which refuses inputs that do not fit with an error that names layer, position and shape.
#pragma once

#include <inlay/graph/symbol.hpp>

#include <type_traits>

namespace inlay {

/// Words of compile errors; a message is an undefined type such as
/// `input_must_be_flat_put_Flatten_before_it<nn::Dense<10>, after_layer<5>, got<14, 14, 64>>`.
namespace error {
template <int Index>
struct after_layer;
/// The first layer of a Sequential.
struct first_layer;
/// The layer was called outside of a Sequential.
struct called_directly;
template <class Layer, class Position, class Got>
struct input_must_be_an_image_height_x_width_x_channels;

template <int Index>
struct PositionOf {
  using type = after_layer<Index - 1>;
};
template <>
struct PositionOf<0> {
  using type = first_layer;
};
}  // namespace error

namespace nn {

struct Same {};   ///< pad so that the output is ceil(input / stride), the odd pixel at the bottom and right
struct Valid {};  ///< no padding (the default, as in Keras)
struct NoBias {};
template <int Height, int Width = Height>
struct Strides {
  static constexpr int height = Height, width = Width;
};

namespace detail {

/// A std::ratio as a number.
template <class Ratio>
inline constexpr float ratio = static_cast<float>(static_cast<double>(Ratio::num) / static_cast<double>(Ratio::den));

template <class Option, class... Options>
inline constexpr bool has = (false || ... || std::is_same_v<Option, Options>);

template <class T>
inline constexpr bool is_strides = false;
template <int H, int W>
inline constexpr bool is_strides<Strides<H, W>> = true;

/// The Strides among the options, or Strides<1>.
template <class... Options>
struct StridesOf {
  using type = Strides<1>;
};
template <class First, class... Rest>
struct StridesOf<First, Rest...> {
  using type = typename StridesOf<Rest...>::type;
};
template <int H, int W, class... Rest>
struct StridesOf<Strides<H, W>, Rest...> {
  using type = Strides<H, W>;
};

/// Applies the options that are layers themselves: the activation.
template <class... Options>
struct Activation {
  static constexpr auto call(auto x) { return x; }
};
template <class First, class... Rest>
struct Activation<First, Rest...> {
  static constexpr auto call(auto x) {
    if constexpr (requires { First::call(x); }) return Activation<Rest...>::call(First::call(x));
    else return Activation<Rest...>::call(x);
  }
};

}  // namespace detail
}  // namespace nn
}  // namespace inlay
