// L2 regularisation, Keras' kernel_regularizer: an option of layers with a kernel. The loss that is minimised, and that
// fit and evaluate report, grows by factor * sum(kernel^2). The gradient's 2 * factor * kernel joins the update, which
// reads the kernel anyway; the reported sum is one more reading of the kernel in each step.
#pragma once

#include <inlay/nn/layer.hpp>

#include <ratio>

namespace inlay::nn {

/// nn::Dense<64, nn::Relu, nn::L2<std::ratio<1, 10000>>>
template <class Factor>
struct L2 {};

namespace detail {

template <class Factor>
inline constexpr unsigned option_kind<L2<Factor>> = of_kernel;

template <class Option>
inline constexpr float l2_factor = 0;
template <class Factor>
inline constexpr float l2_factor<L2<Factor>> = static_cast<float>(static_cast<double>(Factor::num) /
                                                                  static_cast<double>(Factor::den));

/// Adds the kernel's penalty to the loss if there is an L2 among the options.
template <class... Options>
constexpr void regularise(SymbolicTensor auto kernel) {
  constexpr float factor = (0.0f + ... + l2_factor<Options>);
  static_assert(factor >= 0, "nn::L2 takes a factor of at least 0");
  if constexpr (factor > 0) add_to_loss(sum(square(kernel)) * factor);
}

}  // namespace detail
}  // namespace inlay::nn
