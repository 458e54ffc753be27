// Runs one Program on the CPU executor and its graph in the reference, on the same random numbers, and compares.
//
// The bound: every output of our graphs is a chain of sums of products, so an executor's error in an element is at most
// gamma(n) times the same expression on absolute values, gamma(n) = n u / (1 - n u) with u = 2^-24 and n the longest
// chain of roundings. Tests give n; the reference evaluates the absolute values.
#pragma once

#include <inlay/cpu/executor.hpp>
#include <inlay/reference/interpreter.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

namespace inlay::test {

inline double gamma(double n) {
  const double u = 1.0 / 16777216;
  return n * u / (1 - n * u);
}

/// Inputs of a graph as the executor takes them and as the reference does.
struct Numbers {
  std::vector<std::vector<char>> bytes;
  std::vector<reference::Values> values, absolute;
};

inline Numbers random_inputs(const Graph& graph, int samples, std::uint32_t seed, int integers_below = 256) {
  Numbers numbers;
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> real(-1, 1);
  for (const Input& input : graph.inputs) {
    const std::int64_t count = input.shape.count() * (input.batched ? samples : 1);
    std::vector<char> bytes(static_cast<std::size_t>(bytes_of(input.element, count)));
    reference::Values values, absolute;
    for (std::int64_t i = 0; i < count; ++i) {
      if (input.element == Element::f32) {
        const float x = real(engine);
        reinterpret_cast<float*>(bytes.data())[i] = x;
        values.push_back(x);
      } else {
        const int x = static_cast<int>(engine() % static_cast<unsigned>(integers_below));
        if (input.element == Element::u8)
          reinterpret_cast<std::uint8_t*>(bytes.data())[i] = static_cast<std::uint8_t>(x);
        else reinterpret_cast<std::int32_t*>(bytes.data())[i] = x;
        values.push_back(x);
      }
      absolute.push_back(std::fabs(values.back()));
    }
    numbers.bytes.push_back(std::move(bytes));
    numbers.values.push_back(std::move(values));
    numbers.absolute.push_back(std::move(absolute));
  }
  return numbers;
}

/// Runs `Source` on `threads` threads and checks every output against the reference. `growth` is for algorithms that
/// combine all elements of a tile (Winograd): the bound is then growth times that of the largest element of the output.
template <class Source, cpu::Policy Allowed = cpu::Policy{}>
void check_program(int samples, int threads, double roundings, std::uint32_t seed = 1, double growth = 0) {
  using P = Program<Source>;
  const Graph graph = thaw(P::graph);
  const Numbers in = random_inputs(graph, samples, seed);
  const reference::Result expected = reference::evaluate(graph, samples, in.values, {});
  const reference::Result magnitude = reference::evaluate(graph, samples, in.absolute, {});

  cpu::Executor<P, Allowed> executor(threads);
  for (int i = 0; i < graph.inputs.size; ++i) executor.bind_input(i, in.bytes[static_cast<std::size_t>(i)].data());
  executor.run(samples);
  for (std::size_t o = 0; o < expected.outputs.size(); ++o) {
    std::vector<float> got(expected.outputs[o].size());
    executor.read_output(static_cast<int>(o), samples, got.data());
    double worst = 0, largest = 0;
    std::size_t where = 0;
    for (double m : magnitude.outputs[o]) largest = std::max(largest, m);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double bound = gamma(roundings) * (growth > 0 ? growth * largest : magnitude.outputs[o][i]) + 1e-30;
      const double error = std::fabs(got[i] - expected.outputs[o][i]) / bound;
      if (!(error <= worst)) {
        worst = error;
        where = i;
      }
    }
    CAPTURE(o);
    CAPTURE(where);
    CAPTURE(samples);
    CAPTURE(threads);
    CAPTURE(got[where]);
    CAPTURE(expected.outputs[o][where]);
    CHECK(worst <= 1.0);
  }
}

}  // namespace inlay::test
