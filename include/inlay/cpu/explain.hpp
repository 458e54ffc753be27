// cpu::explain: how the CPU computes each contraction of a plan, in which blocks, and what it estimates that the other
// algorithms would take (algorithm.hpp).
//
//   std::fputs(cpu::explain<Net>().c_str(), stdout);
//   std::fputs(cpu::explain<Net, Numerics::exact>().c_str(), stdout);
#pragma once

#include <inlay/cpu/schedule.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/graph/words.hpp>
#include <inlay/kernel/lower.hpp>

#include <cstdio>
#include <string>

namespace inlay::cpu {

namespace detail {

template <class Kernel>
inline constexpr bool is_contraction = false;
template <Mode M, class G, bool Batched, class A, class B, class E, class Side>
inline constexpr bool is_contraction<kernel::Contraction<M, G, Batched, A, B, E, Side>> = true;

/// Thousands of cycles, or a dash where the algorithm cannot compute it.
inline std::string thousands(bool possible, double cycles) {
  char text[32] = "         -";
  if (possible) std::snprintf(text, sizeof text, "%10.1f", cycles / 1000);
  return text;
}

template <class P, Policy Allowed, int L>
void explain_launch(const Plan& plan, std::string& text) {
  using Kernel = kernel::lowered_t<P, L>;
  if constexpr (is_contraction<Kernel>) {
    const Problem& p = problem<Kernel>;
    constexpr Blocking blocking = Chosen<Kernel, Allowed>::blocking;
    char line[64];
    std::snprintf(line, sizeof line, "%6d", L);
    text += line;
    const bool pixelwise = p.is_pixelwise();
    for (const Algorithm a :
         {Algorithm::direct, Algorithm::winograd_2x2, Algorithm::winograd_4x4, Algorithm::winograd_6x6})
      text += thousands(!pixelwise && (a == Algorithm::direct || is_possible(a, p)), cycles(a, p));
    std::snprintf(line, sizeof line, "%7d x %d%8d   ", blocking.rows, blocking.vectors, blocking.block);
    text += line + std::string(name_of(choose(p, Allowed))) + ": " + describe(plan, L) + "\n";
  }
}

template <class P, Policy Allowed, int... L>
std::string explain(std::integer_sequence<int, L...>) {
  std::string text = "CPU, vectors of " + std::to_string(lanes) +
                     " floats; thousands of cycles that a sample takes one thread, estimated;\n"
                     "sums in registers, rows x vectors, and rows in a block (cpu::Blocking)\n"
                     "launch    direct    F(2x2)    F(4x4)    F(6x6)       sums   block   chosen\n";
  const Plan plan = thaw(P::plan);
  (explain_launch<P, Allowed, L>(plan, text), ...);
  return text;
}

}  // namespace detail

/// Of any Program (of a training step, say).
template <Policy Allowed = Policy{}, class Source>
std::string explain(Program<Source>) {
  using P = Program<Source>;
  return detail::explain<P, Allowed>(std::make_integer_sequence<int, P::plan.launches.size>{});
}
/// Of a network's inference. Policies as in `compile`: Numerics, Precision.
template <class Net, auto... Policies>
std::string explain() {
  return explain<Policy{inlay::detail::chosen(Numerics::fast, Policies...),
                        inlay::detail::chosen(Precision::fp32, Policies...)}>(Program<Inference<Net>>{});
}

}  // namespace inlay::cpu
