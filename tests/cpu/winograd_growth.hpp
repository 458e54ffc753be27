// How much more than direct summation Winograd's convolutions may magnify rounding errors: from the transforms' own
// coefficients.
#pragma once

#include <algorithm>
#include <cmath>
#include <inlay/cpu/winograd.hpp>

namespace inlay::test {

/// max over outputs i of sum over frequencies j of |left[j][i]| * sum |middle[j]| * sum |input[j]|, over the terms of
/// direct summation: how much a one-dimensional transform can magnify a rounding error, squared for two dimensions.
template <int Patch, int Left, int Middle>
double growth_of(void (*input)(const float (&)[Patch], float (&)[Patch]),
                 void (*left)(const float (&)[Patch], float (&)[Left]),
                 void (*middle)(const float (&)[Middle], float (&)[Patch])) {
  auto column = [](auto transform, auto& in, auto& out, int k) {
    for (auto& x : in) x = 0;
    in[k] = 1;
    transform(in, out);
  };
  float in[Patch], out[Patch], in_middle[Middle], out_left[Left];
  double rows[Left][Patch] = {}, middle_sums[Patch] = {}, input_sums[Patch] = {}, result = 0;
  for (int k = 0; k < Patch; ++k) {
    column(input, in, out, k);
    for (int j = 0; j < Patch; ++j) input_sums[j] += std::fabs(out[j]);
    column(left, in, out_left, k);
    for (int i = 0; i < Left; ++i) rows[i][k] = std::fabs(out_left[i]);
  }
  for (int k = 0; k < Middle; ++k) {
    column(middle, in_middle, out, k);
    for (int j = 0; j < Patch; ++j) middle_sums[j] += std::fabs(out[j]);
  }
  for (int i = 0; i < Left; ++i) {
    double total = 0;
    for (int j = 0; j < Patch; ++j) total += rows[i][j] * middle_sums[j] * input_sums[j];
    result = std::max(result, total / Middle);
  }
  return result * result;
}

/// Of F(Tile x Tile, 3 x 3).
template <int Tile>
double winograd_growth_of() {
  using T = cpu::winograd::Transforms<Tile>;
  const double forward = growth_of(&T::template input<float>, &T::template output<float>, &T::template weight<float>);
  if constexpr (Tile == 6) {  // with the small tiles beside it; it has no weight gradient
    using Small = cpu::winograd::SmallTransforms;
    auto weight = +[](const float(&g)[3], float(&t)[6]) {
      float all[8];
      T::weight(g, all);
      std::copy(all, all + 6, t);
    };
    return std::max(forward, growth_of(&Small::input<float>, &Small::output<float>, weight));
  } else {
    const double gradient =
        growth_of(&T::template input<float>, &T::template weight_gradient<float>, &T::template gradient<float>);
    return std::max(forward, gradient);
  }
}

/// Of whatever the CPU chooses.
inline double winograd_growth() { return std::max(winograd_growth_of<4>(), winograd_growth_of<6>()); }

}  // namespace inlay::test
