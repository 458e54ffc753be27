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
template <class Layer, class Position, class Got>
struct window_must_fit_into_the_image;
template <class Layer, class Position, class Got>
struct padding_must_be_smaller_than_the_window;
template <class Layer, class Position, class Option>
struct the_layer_does_not_take_the_option;
template <class Option>
struct neither_an_option_nor_an_activation;

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
  static_assert(Height > 0 && Width > 0, "nn::Strides: a window moves by at least 1");
  static constexpr int height = Height, width = Width;
};
/// That many rows and columns around the image.
template <int Top, int Left = Top, int Bottom = Top, int Right = Left>
struct Padding {
  static_assert(Top >= 0 && Left >= 0 && Bottom >= 0 && Right >= 0, "nn::Padding: can't be negative");
  static constexpr int top = Top, left = Left, bottom = Bottom, right = Right;
};
/// A convolution in so many groups: each makes its share of the filters from its share of the channels.
template <int Count>
struct Groups {
  static_assert(Count > 0, "nn::Groups: at least 1");
  static constexpr int count = Count;
};

namespace detail {

/// What options are about, as bits of what a layer takes. A type that no header declares as an option is an activation.
enum : unsigned { of_windows = 1, of_groups = 2, of_bias = 4, of_kernel = 8, of_normalization = 16, activation = 32 };
template <class Option>
inline constexpr unsigned option_kind = activation;
template <>
inline constexpr unsigned option_kind<Same> = of_windows;
template <>
inline constexpr unsigned option_kind<Valid> = of_windows;
template <int H, int W>
inline constexpr unsigned option_kind<Strides<H, W>> = of_windows;
template <int Top, int Left, int Bottom, int Right>
inline constexpr unsigned option_kind<Padding<Top, Left, Bottom, Right>> = of_windows;
template <int Count>
inline constexpr unsigned option_kind<Groups<Count>> = of_groups;
template <>
inline constexpr unsigned option_kind<NoBias> = of_bias;

/// Refuses options that a layer does not take.
template <class Layer, class Position, unsigned Taken, class... Options>
consteval void check_options() {
  (error::require<(option_kind<Options> & Taken) != 0,
                  error::the_layer_does_not_take_the_option<Layer, Position, Options>>(),
   ...);
}

/// A std::ratio as a number.
template <class Ratio>
inline constexpr float ratio = static_cast<float>(static_cast<double>(Ratio::num) / static_cast<double>(Ratio::den));

template <class Option, class... Options>
inline constexpr bool has = (false || ... || std::is_same_v<Option, Options>);

/// The Strides among the options, or else Default.
template <class Default, class... Options>
struct StridesOf {
  using type = Default;
};
template <class Default, class First, class... Rest>
struct StridesOf<Default, First, Rest...> : StridesOf<Default, Rest...> {};
template <class Default, int H, int W, class... Rest>
struct StridesOf<Default, Strides<H, W>, Rest...> {
  using type = Strides<H, W>;
};

/// The Padding among the options, or else Padding<0>.
template <class... Options>
struct PaddingOf {
  using type = Padding<0>;
};
template <class First, class... Rest>
struct PaddingOf<First, Rest...> : PaddingOf<Rest...> {};
template <int Top, int Left, int Bottom, int Right, class... Rest>
struct PaddingOf<Padding<Top, Left, Bottom, Right>, Rest...> {
  using type = Padding<Top, Left, Bottom, Right>;
};

/// The Groups among the options, or else 1.
template <class... Options>
inline constexpr int groups = 1;
template <class First, class... Rest>
inline constexpr int groups<First, Rest...> = groups<Rest...>;
template <int Count, class... Rest>
inline constexpr int groups<Groups<Count>, Rest...> = Count;

/// The windows of Size x Size that a layer with these options lays over an image of type X.
template <class X, int Size, class DefaultStrides, class... Options>
struct Windows {
  using Stride = typename StridesOf<DefaultStrides, Options...>::type;
  using Explicit = typename PaddingOf<Options...>::type;
  static constexpr bool same = has<Same, Options...>;
  static_assert(Size >= 1, "a window has at least one row and one column");
  static_assert(!same || (Explicit::top + Explicit::left + Explicit::bottom + Explicit::right == 0),
                "nn::Same and nn::Padding exclude each other: leave one out");

  /// Pixels that Same adds along an axis in all.
  static constexpr int added(int extent, int stride) {
    const int total = ((extent + stride - 1) / stride - 1) * stride + Size - extent;
    return total > 0 ? total : 0;
  }
  static constexpr int rows = same ? added(X::height(), Stride::height) : 0;
  static constexpr int columns = same ? added(X::width(), Stride::width) : 0;
  static constexpr int top = same ? rows / 2 : Explicit::top, bottom = same ? rows - rows / 2 : Explicit::bottom;
  static constexpr int left = same ? columns / 2 : Explicit::left,
                       right = same ? columns - columns / 2 : Explicit::right;
  static constexpr bool padded = top + bottom + left + right > 0;

  template <class Layer, class Position>
  static consteval void check() {
    using Got = error::got_t<X>;
    error::require < top < Size&& bottom < Size&& left <
        Size&& right<Size, error::padding_must_be_smaller_than_the_window<Layer, Position, Got>>();
    error::require<(X::height() + top + bottom >= Size && X::width() + left + right >= Size),
                   error::window_must_fit_into_the_image<Layer, Position, Got>>();
  }
};

/// Refuses what is no image, then windows that do not fit on it.
template <class Layer, class X, class Position, int Size, class DefaultStrides, class... Options>
consteval void check_windows() {
  error::require<X::rank == 3,
                 error::input_must_be_an_image_height_x_width_x_channels<Layer, Position, error::got_t<X>>>();
  if constexpr (X::rank == 3) Windows<X, Size, DefaultStrides, Options...>::template check<Layer, Position>();
}

/// Applies the options that are layers themselves: the activation.
template <class... Options>
struct Activation {
  static constexpr auto call(auto x) { return x; }
};
template <class First, class... Rest>
struct Activation<First, Rest...> {
  static constexpr auto call(auto x) {
    if constexpr (option_kind<First> != activation) {
      return Activation<Rest...>::call(x);
    } else if constexpr (requires { First::call(x); }) {
      return Activation<Rest...>::call(First::call(x));
    } else {
      error::require<false, error::neither_an_option_nor_an_activation<First>>();
      return x;
    }
  }
};

}  // namespace detail
}  // namespace nn
}  // namespace inlay
