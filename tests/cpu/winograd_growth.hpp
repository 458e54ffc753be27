// How much more than direct summation Winograd's F(4x4, 3x3) may magnify rounding errors: from the transforms' own
// coefficients.
#pragma once

#include <algorithm>
#include <cmath>
#include <inlay/cpu/winograd.hpp>

namespace inlay::test {

/// max over outputs i of sum over frequencies j of |left[j][i]| * sum |middle[j]| * sum |right[j]|, over the terms of
/// direct summation: how much a one-dimensional transform can magnify a rounding error, squared for two dimensions.
template <int Left, int Middle, class L, class M>
double growth_of(L left, M middle) {
  double sums[6] = {}, result = 0, rows[6][6] = {};
  auto column = [](auto transform, auto& in, auto& out, int k) {
    for (auto& x : in) x = 0;
    in[k] = 1;
    transform(in, out);
  };
  float in6[6], out6[6], in_middle[Middle], out_left[Left];
  double middle_sums[6] = {}, input_sums[6] = {};
  for (int k = 0; k < 6; ++k) {
    column([](auto& d, auto& t) { cpu::winograd::input_transform(d, t); }, in6, out6, k);
    for (int j = 0; j < 6; ++j) input_sums[j] += std::fabs(out6[j]);
    column(left, in6, out_left, k);
    for (int i = 0; i < Left; ++i) rows[i][k] = std::fabs(out_left[i]);
  }
  for (int k = 0; k < Middle; ++k) {
    column(middle, in_middle, out6, k);
    for (int j = 0; j < 6; ++j) middle_sums[j] += std::fabs(out6[j]);
  }
  for (int j = 0; j < 6; ++j) sums[j] = middle_sums[j] * input_sums[j];
  for (int i = 0; i < Left; ++i) {
    double total = 0;
    for (int j = 0; j < 6; ++j) total += rows[i][j] * sums[j];
    result = std::max(result, total / Middle);
  }
  return result * result;
}

inline double winograd_growth() {
  using namespace cpu::winograd;
  const double forward = growth_of<4, 3>([](auto& m, auto& y) { output_transform(m, y); },
                                         [](auto& g, auto& t) { weight_transform(g, t); });
  const double gradient = growth_of<3, 4>([](auto& u, auto& g) { weight_gradient_transform(u, g); },
                                          [](auto& e, auto& t) { gradient_transform(e, t); });
  return std::max(forward, gradient);
}

}  // namespace inlay::test
