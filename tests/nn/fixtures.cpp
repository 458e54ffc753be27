// Each layer beside PyTorch's in double, in Keras' layouts and conventions: outputs, gradients and moving averages, in
// the reference and on the CPU. fixtures/layers.txt holds the cases that are declared here.
#include "../cpu/winograd_growth.hpp"
#include "../support/rounding_errors.hpp"
#include "../support/tensor_file.hpp"

#include <inlay/graph/gradient.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/add.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/concatenate.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/global_average_pooling2d.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;
using nn::NoBias, nn::Same, nn::Sequential, nn::Strides;
using reference::Values;

namespace {

/// Outputs: the layer's, then the gradients of sum(y * factors) with respect to the input and each trained parameter;
/// and next moving averages. Inputs: x, factors.
template <class Net>
struct InTraining {
  static constexpr Graph make() {
    Tracer tracer;
    tracer.training = true;
    Graph& g = tracer.graph;
    const auto x = network_input<Net>(tracer);
    const auto y = Net::call(x);
    const decltype(y) factors{&tracer, build::input(g, decltype(y)::shape)};
    const int loss = build::reshape(g, sum_over_batch(sum(y * factors)).node, Shape{});
    g.outputs.push({y.node});
    List<int> leaves;
    leaves.push(x.node);
    for (int i = 0; i < g.nodes.size; ++i)
      if (g.nodes[i].op == Op::parameter && g.parameters[g.nodes[i].index].trainable) leaves.push(i);
    for (const int d : gradient(g, loss, leaves)) g.outputs.push({d});
    for (const Output& update : tracer.updates) g.outputs.push(update);
    return g;
  }
};

const Tensors& fixture() {
  static const Tensors tensors = read_fixture("layers.txt");
  return tensors;
}

/// One case of the fixture.
class Case {
 public:
  explicit Case(const std::string& name) : prefix(name + "/") {}

  bool has(const std::string& tensor) const { return fixture().count(prefix + tensor) > 0; }
  const Values& at(const std::string& tensor) const { return fixture().at(prefix + tensor); }
  /// The name after the layer's number.
  static std::string name_of(const Parameter& p) {
    const std::string path = p.name.text;
    return path.substr(path.find('.') + 1);
  }

 private:
  std::string prefix;
};

/// A layer may hold up to this many numbers that were rounded to float (activations' constants). The file has ten
/// digits; what is 0 in exact arithmetic, such as the gradient of a bias before a normalisation, is some 1e-15 there.
constexpr double rounded_numbers = 4;

void compare(const std::string& tensor, const Values& expected, const Values& got, const Values& tolerance) {
  REQUIRE(got.size() == expected.size());
  double most = 0;
  for (double x : expected) most = std::max(most, std::fabs(x));
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(tensor);
    CAPTURE(i);
    CAPTURE(expected[i]);
    CAPTURE(got[i]);
    CHECK(std::fabs(got[i] - expected[i]) <= test::gamma(rounded_numbers) * most + tolerance[i] + 1e-9 * most + 1e-12);
  }
}

template <class P>
void check_program(const Case& given, const std::vector<std::string>& names, int samples) {
  const Graph graph = thaw(P::graph);
  std::vector<Values> inputs{given.at("x")}, parameters;
  if (graph.inputs.size > 1) inputs.push_back(given.at("factors"));
  for (const Parameter& p : graph.parameters) parameters.push_back(given.at(Case::name_of(p)));
  const reference::Result exact = reference::evaluate(graph, samples, inputs, parameters);
  const RoundingErrors errors(graph, samples, exact, winograd_growth());

  std::vector<std::vector<float>> floats, kept;
  cpu::Executor<P> executor(2);
  for (const Values& values : inputs) floats.emplace_back(values.begin(), values.end());
  for (const Values& values : parameters) kept.emplace_back(values.begin(), values.end());
  for (std::size_t i = 0; i < floats.size(); ++i) executor.bind_input(static_cast<int>(i), floats[i].data());
  for (std::size_t i = 0; i < kept.size(); ++i) executor.bind_parameter(static_cast<int>(i), kept[i].data());
  executor.run(samples);

  std::size_t o = 0;
  for (const Output& output : graph.outputs) {
    const Values tolerance = errors.of_node(output.node);
    if (output.is_update()) {
      const auto p = static_cast<std::size_t>(output.parameter);
      const std::string tensor = "updated/" + Case::name_of(graph.parameters[output.parameter]);
      compare(tensor, given.at(tensor), exact.updated[p], Values(tolerance.size(), 0.0));
      compare(tensor + " on the CPU", given.at(tensor), Values(kept[p].begin(), kept[p].end()), tolerance);
      continue;
    }
    std::vector<float> got(tolerance.size());
    executor.read_output(static_cast<int>(o), samples, got.data());
    compare(names[o], given.at(names[o]), exact.outputs[o], Values(tolerance.size(), 0.0));
    compare(names[o] + " on the CPU", given.at(names[o]), Values(got.begin(), got.end()), tolerance);
    ++o;
  }
  CHECK(o == names.size());
}

template <class Input, class... Layer>
void check_layer(const std::string& name) {
  using Net = Sequential<Input, Layer...>;
  const Case given(name);
  CAPTURE(name);
  std::vector<std::string> names{"y", "gradient/x"};
  const Graph graph = InTraining<Net>::make();
  for (const Parameter& p : graph.parameters)
    if (p.trainable) names.push_back("gradient/" + Case::name_of(p));
  constexpr int samples = 3;
  check_program<Program<InTraining<Net>>>(given, names, samples);
  check_program<Program<Inference<Net>>>(given, {given.has("inference/y") ? "inference/y" : "y"}, samples);
}

using Image = nn::Input<5, 4, 2>;
using Vector = nn::Input<9>;

}  // namespace

TEST_CASE("convolutions are PyTorch's") {
  check_layer<Image, nn::Conv2D<4, 3>>("conv_valid");
  check_layer<Image, nn::Conv2D<4, 3, Same, nn::Relu>>("conv_same_relu");
  check_layer<Image, nn::Conv2D<4, 3, Same, Strides<2>>>("conv_same_strided");
  check_layer<nn::Input<6, 6, 2>, nn::Conv2D<3, 2, Same, Strides<2, 1>>>("conv_same_strided_even");
  check_layer<Image, nn::Conv2D<4, 1, Strides<2>, NoBias>>("conv_one_strided");
  check_layer<Image, nn::Conv2D<5, 1>>("conv_one");
  check_layer<Image, nn::Conv2D<2, 5, Same, NoBias>>("conv_five_same");
  check_layer<nn::Input<4, 4, 8>, nn::Conv2D<8, 3, Same>>("conv_winograd");
}
TEST_CASE("dense layers are PyTorch's") {
  check_layer<nn::Input<7>, nn::Dense<5>>("dense");
  check_layer<nn::Input<7>, nn::Dense<5, NoBias, nn::Tanh>>("dense_no_bias_tanh");
}
TEST_CASE("batch normalisation is PyTorch's, with Keras' moving averages, in training and in inference") {
  check_layer<Image, nn::BatchNormalization<>>("norm_image");
  check_layer<Image, nn::BatchNormalization<nn::NoScale, nn::Momentum<std::ratio<9, 10>>>>("norm_no_scale");
  check_layer<Image, nn::BatchNormalization<nn::NoCenter>>("norm_no_center");
  check_layer<nn::Input<5>, nn::BatchNormalization<>>("norm_vector");
}
TEST_CASE("pooling is PyTorch's") {
  check_layer<nn::Input<4, 6, 3>, nn::MaxPooling2D<2>>("max_pooling");
  check_layer<Image, nn::GlobalAveragePooling2D>("global_average_pooling");
}
TEST_CASE("activations are PyTorch's") {
  check_layer<Vector, nn::Relu>("relu");
  check_layer<Vector, nn::Relu6>("relu6");
  check_layer<Vector, nn::LeakyRelu<>>("leaky_relu");
  check_layer<Vector, nn::Elu>("elu");
  check_layer<Vector, nn::Gelu>("gelu");
  check_layer<Vector, nn::Sigmoid>("sigmoid");
  check_layer<Vector, nn::Tanh>("tanh");
  check_layer<Vector, nn::Swish>("swish");
  check_layer<Vector, nn::Softplus>("softplus");
  check_layer<Vector, nn::HardSwish>("hard_swish");
  check_layer<Vector, nn::Softmax>("softmax");
}
TEST_CASE("branches are sums and concatenations of PyTorch's layers") {
  check_layer<Image, nn::Residual<nn::Conv2D<2, 3, Same>, nn::BatchNormalization<>>>("residual");
  check_layer<Image, nn::Residual<Sequential<nn::Conv2D<4, 3, Same, Strides<2>>>, nn::Conv2D<4, 1, Strides<2>>>>(
      "projection");
  check_layer<Image, nn::Add<nn::Conv2D<2, 1>, nn::Conv2D<2, 3, Same>>>("add");
  check_layer<Image, nn::Concatenate<nn::Identity, nn::Conv2D<4, 3, Same>, nn::Conv2D<1, 1>>>("concatenate");
}
