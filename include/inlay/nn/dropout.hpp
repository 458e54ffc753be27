// Dropout (Srivastava et al., JMLR 2014), inverted as in Keras: in training each element is 0 with probability Rate,
// and the others are multiplied by 1 / (1 - Rate); in inference nothing happens. Backward draws the same numbers again
// (see core/random.hpp), so the mask need not be kept.
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

namespace inlay {
namespace error {
template <class Layer, class Position, class Got>
struct dropout_rate_must_be_at_least_0_and_less_than_1;
}

namespace nn {

/// Rate: a std::ratio in [0, 1), as in Dropout<std::ratio<1, 4>>.
template <class Rate>
struct Dropout {
  static constexpr const char* name = "dropout";

  template <class X, class Position>
  static consteval void check() {
    error::require < Rate::num >= 0 &&
        Rate::num<Rate::den,
                  error::dropout_rate_must_be_at_least_0_and_less_than_1<Dropout, Position, error::got_t<X>>>();
  }

  template <SymbolicTensor X>
  static constexpr auto call(X x) {
    check<X, error::called_directly>();
    if (!x.tracer->training || Rate::num == 0) return x * 1.0f;
    constexpr float rate = detail::ratio<Rate>;
    return select(greater(rate, random_like(x)), 0.0f, x * (1 / (1 - rate)));
  }

 private:
  template <Element E, bool Batched, int... Extents>
  static constexpr auto random_like(Symbol<E, Batched, Extents...> x) {
    return random_uniform<Extents...>(x);
  }
};

}  // namespace nn
}  // namespace inlay
