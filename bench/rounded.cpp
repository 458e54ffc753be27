// What a GPU's roundings cost in accuracy, found out on the CPU: trains the seed network as examples/fashion_mnist
// does, with programs that round wherever those that CUDA multiplies in PRECISION would: values that they store in 16
// bits when they are stored, other operands of contractions when they are multiplied. Sums are fp32 in both, in another
// order. Gradients that are multiplied in fp16 are only rounded to its 11 digits, since a GPU's scale keeps them within
// its exponents (include/inlay/cuda/gradient_scale.hpp).
//
//   rounded_bf16 --epochs 10 --seed 1        for bench/accuracy; also rounded_fp16 and rounded_tf32
#include "../examples/arguments.hpp"
#include "../examples/networks.hpp"
#include "../tests/support/rounded_graph.hpp"

using namespace inlay;

namespace {

template <class Net, Precision P>
struct Rounded : Net {};

/// x to the nearest number of `digits` binary digits: x (2^s + 1) minus what of it lies above x (T. J. Dekker, 1971).
/// The maximum keeps compilers from making one operation of product and difference, which would not round.
constexpr int rounded_to(Graph& g, int x, int digits) {
  const auto factor = static_cast<float>((1 << (24 - digits)) + 1);
  const int product = build::map(g, MapOp::multiply, x, build::constant(g, factor));
  const int large = build::map(g, MapOp::maximum, product, build::constant(g, -3e38f));
  return build::map(g, MapOp::subtract, large, build::map(g, MapOp::subtract, large, x));
}
/// x to a multiple of 2^-24, fp16's smallest number, where that is not the case already.
constexpr int within_exponents_of_f16(Graph& g, int x) {
  const int shift = build::constant(g, 0.75f);
  const int rounded = build::map(g, MapOp::subtract, build::map(g, MapOp::add, x, shift), shift);
  const int small = build::map(g, MapOp::greater, build::constant(g, 0x1p-13f), build::map(g, MapOp::absolute, x));
  return build::map(g, MapOp::select, small, rounded, x);
}

/// The graph of `Source`, with arithmetic for each rounding of its program in precision P.
template <class Source, Precision P>
constexpr Graph rounded() {
  using Planned = Program<Source, stored_in(P)>;
  constexpr Element marker = P == Precision::bf16 ? Element::bf16 : Element::f16;
  const Graph marked = test::rounded_graph(thaw(Planned::simplified), Planned::plan, marker, true);
  List<bool> gradient(marked.nodes.size, false);
  for (const Node& n : marked.nodes)
    if (n.op == Op::contraction && n.mode != Mode::forward)
      gradient[n.operands[n.mode == Mode::data_gradient ? 0 : 1]] = true;

  Graph g = marked;
  g.nodes = {};
  List<int> renamed(marked.nodes.size);
  for (int i = 0; i < marked.nodes.size; ++i) {
    Node n = marked.nodes[i];
    for (int k = 0; k < n.operand_count; ++k) n.operands[k] = renamed[n.operands[k]];
    if (n.op != Op::map || n.element != marker) {
      renamed[i] = g.add(n);
      continue;
    }
    renamed[i] = rounded_to(g, n.operands[0], P == Precision::bf16 ? 8 : 11);
    if (P == Precision::fp16 && !gradient[i]) renamed[i] = within_exponents_of_f16(g, renamed[i]);
  }
  for (Output& output : g.outputs) output.node = renamed[output.node];
  return g;
}

}  // namespace

namespace inlay {

template <class Net, Precision P, class Optimizer, class Loss, class Metric>
struct TrainingGraph<Rounded<Net, P>, Optimizer, Loss, Metric> {
  static constexpr Graph make() { return rounded<TrainingGraph<Net, Optimizer, Loss, Metric>, P>(); }
};
template <class Net, Precision P, class Loss, class Metric>
struct EvaluationGraph<Rounded<Net, P>, Loss, Metric> {
  static constexpr Graph make() { return rounded<EvaluationGraph<Net, Loss, Metric>, P>(); }
};

}  // namespace inlay

int main(int argc, char** argv) try {
  examples::Arguments arguments(10);
  arguments.fit.batch_size = 64;
  examples::CommandLine line("Trains the seed network with the roundings of a GPU");
  arguments.add_to(line);
  line.parse(argc, argv);
  arguments.fit.seed = arguments.compile.seed;
  auto [train, test] = arguments.load();
  auto model = compile<Rounded<networks::Seed, Precision::PRECISION>>(Adam{}, SparseCategoricalCrossentropy{},
                                                                      Accuracy{}, arguments.compile);
  arguments.fit.validation_data = &test;
  model.fit(train, arguments.fit);
} catch (const Error& error) {
  std::fprintf(stderr, "rounded: %s\n", error.what());
  return 1;
}
