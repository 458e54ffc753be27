// Repeat: N copies of a block one after another, each with parameters of its own.
#pragma once

#include <inlay/nn/sequential.hpp>

#include <type_traits>
#include <utility>

namespace inlay::nn {

namespace detail {

template <class Block, class I>
struct Repeated;
template <class Block, int... I>
struct Repeated<Block, std::integer_sequence<int, I...>> {
  template <int>
  using same = Block;
  using type = Sequential<same<I>...>;
};

}  // namespace detail

template <int N, class Block>
struct Repeat {
  static constexpr const char* name = "repeat";
  static constexpr auto call(SymbolicTensor auto x) {
    return detail::Repeated<Block, std::make_integer_sequence<int, N>>::type::call(x);
  }
};

}  // namespace inlay::nn
