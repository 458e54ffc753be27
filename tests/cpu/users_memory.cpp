// What users hand over: addresses of any alignment, samples that are not finite; and what runs take: no memory.
#include "../support/allocations.hpp"
#include "../support/program_run.hpp"

#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/sequential.hpp>

#include <algorithm>
#include <limits>

using namespace inlay;

namespace {

/// Tiles of two sizes, partial blocks of tiles, and channels that fill no vector.
using Floats = nn::Sequential<nn::Input<28, 28, 5>, nn::Conv2D<33, 3, nn::Same, nn::Relu>,
                              nn::Conv2D<32, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<4>>;
using Bytes = nn::Sequential<nn::Input<9, 7, 3, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                             nn::Conv2D<20, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<3>>;

/// Inference on random numbers. The first sample and each parameter begin `offset` elements behind where memory for
/// them was taken.
template <class Net, cpu::Policy Allowed = cpu::Policy{}>
class Predictor {
 public:
  using P = Program<Inference<Net>>;
  using Element = std::conditional_t<P::plan.inputs.data[0].element == inlay::Element::u8, std::uint8_t, float>;
  static constexpr int each = static_cast<int>(P::plan.inputs.data[0].shape.count());
  static constexpr int outputs = static_cast<int>(P::plan.values.data[P::plan.outputs.data[0].value].count);

  explicit Predictor(int samples, int threads, int offset = 0)
      : count(samples), first(offset), executor(threads), x(static_cast<std::size_t>(samples * each + offset)) {
    std::mt19937 engine(4);
    for (int i = 0; i < samples * each; ++i) element(i) = static_cast<Element>(engine() % 200);
    const Graph graph = thaw(P::graph);
    for (const Parameter& p : graph.parameters) {
      parameters.emplace_back(static_cast<std::size_t>(p.shape.count() + offset));
      for (auto w = parameters.back().begin() + offset; w != parameters.back().end(); ++w)
        *w = static_cast<float>(engine() % 201) / 1000 - 0.1f;
    }
    for (std::size_t i = 0; i < parameters.size(); ++i)
      executor.bind_parameter(static_cast<int>(i), parameters[i].data() + offset);
    executor.bind_input(0, x.data() + offset);
  }

  /// Element i of all samples.
  Element& element(int i) { return x[static_cast<std::size_t>(first + i)]; }
  void run() { executor.run(count); }
  std::vector<float> predict() {
    run();
    std::vector<float> y(static_cast<std::size_t>(count * outputs));
    executor.read_output(0, count, y.data());
    return y;
  }

 private:
  int count, first;
  cpu::Executor<P, Allowed> executor;
  std::vector<Element> x;
  std::vector<std::vector<float>> parameters;
};

template <class Net>
void check_unaligned() {
  for (int threads : {1, 2}) {
    const std::vector<float> aligned = Predictor<Net>(3, threads).predict();
    for (int offset : {1, 2, 3, 5, 15}) CHECK(Predictor<Net>(3, threads, offset).predict() == aligned);
  }
}

template <cpu::Policy Allowed>
void check_isolated() {
  using Net = Predictor<Floats, Allowed>;
  for (int samples : {2, 5})
    for (int threads : {1, 2, 3}) {
      Net net(samples, threads);
      const std::vector<float> clean = net.predict();
      const int bad = samples / 2;
      for (const float x : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
        for (const int at : {0, Net::each / 2 + 1, Net::each - 1}) {
          float& element = net.element(bad * Net::each + at);
          const float before = element;
          element = x;
          const std::vector<float> poisoned = net.predict();
          element = before;
          bool others_same = true, shows = false;
          for (int i = 0; i < samples * Net::outputs; ++i) {
            const auto k = static_cast<std::size_t>(i);
            if (i / Net::outputs != bad) others_same = others_same && poisoned[k] == clean[k];
            else shows = shows || !std::isfinite(poisoned[k]);
          }
          CAPTURE(samples);
          CAPTURE(threads);
          CAPTURE(at);
          CHECK(others_same);
          CHECK(shows);
          CHECK(net.predict() == clean);
        }
    }
}

}  // namespace

TEST_CASE("memory of any alignment gives the same bits") {
  check_unaligned<Floats>();
  check_unaligned<Bytes>();
}
TEST_CASE("a sample that is not finite changes nothing but its own outputs, in that run alone") {
  check_isolated<cpu::Policy{}>();
  check_isolated<cpu::Policy{Numerics::exact}>();
  check_isolated<cpu::Policy{Numerics::fast, Precision::bf16}>();
}
TEST_CASE("a run takes no memory where none was as large before") {
  for (int threads : {1, 2}) {
    Predictor<Floats> net(3, threads);
    net.run();
    net.run();
    const int before = test::allocations;
    net.run();
    CHECK(test::allocations == before);
  }
}
