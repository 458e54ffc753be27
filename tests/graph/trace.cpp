// Tracing: shapes in types, what broadcasts to what, and the names of parameters.
#include <doctest/doctest.h>

#include <string>
#include <type_traits>

#include "nets.hpp"

using namespace inlay;

namespace {

template <class Net>
std::string names() {
  std::string text;
  for (const Parameter& p : Inference<Net>::make().parameters) text += std::string(p.name.text) + " ";
  return text;
}

using Image = Symbol<Element::f32, true, 8, 6, 4>;
using Vector = Symbol<Element::f32, false, 4>;

}  // namespace

TEST_CASE("a symbolic tensor's type carries its shape") {
  Tracer t;
  auto x = nn::Input<8, 6, 4>::input(t);
  static_assert(std::is_same_v<decltype(x), Image>);
  static_assert(std::is_same_v<decltype(conv2d<1, 1>(x, parameter<3, 3, 4, 7>(x, "w", Initializer::zeros))),
                               Symbol<Element::f32, true, 8, 6, 7>>);
  static_assert(std::is_same_v<decltype(max_pool<2, 3>(x)), Symbol<Element::f32, true, 4, 2, 4>>);
  static_assert(std::is_same_v<decltype(flatten(x)), Symbol<Element::f32, true, 192>>);
  static_assert(std::is_same_v<decltype(mean_over_pixels(x)), Symbol<Element::f32, true, 4>>);
  static_assert(std::is_same_v<decltype(sum<1>(x)), Symbol<Element::f32, true, 8, 1, 4>>);
  static_assert(std::is_same_v<decltype(sum<-1>(x)), Symbol<Element::f32, true, 8, 6, 1>>);
  static_assert(std::is_same_v<decltype(max(x)), Symbol<Element::f32, true, 1, 1, 1>>);
  static_assert(std::is_same_v<decltype(sum_over_batch(x)), Symbol<Element::f32, false, 8, 6, 4>>);
}

TEST_CASE("operands broadcast from the last axis, and anything with a batch has one") {
  static_assert(std::is_same_v<decltype(Image{} + Vector{}), Image>);
  static_assert(std::is_same_v<decltype(Vector{} * Image{}), Image>);
  static_assert(std::is_same_v<decltype(2 * Vector{}), Vector>);
  static_assert(
      std::is_same_v<decltype(Symbol<Element::f32, false, 3, 1>{} + Vector{}), Symbol<Element::f32, false, 3, 4>>);
  static_assert(std::is_same_v<decltype(greater(Vector{}, 0)), Vector>);
  static_assert(broadcast(shape_of(8, 6, 4), shape_of(6, 1)).shape == shape_of(8, 6, 4));
  static_assert(!broadcast(shape_of(8, 6, 4), shape_of(3)).fits);
}

TEST_CASE("bytes become floats with the first operation") {
  Tracer t;
  auto x = nn::Input<4, 4, 1, std::uint8_t>::input(t);
  static_assert(decltype(x)::element == Element::u8);
  static_assert(decltype(x * 2)::element == Element::f32);
  static_assert(decltype(flatten(x))::element == Element::u8);
}

TEST_CASE("the node of a symbol has the symbol's shape") {
  const Graph g = Inference<test::SqueezeExciteNet>::make();
  CHECK(g.outputs.size == 1);
  CHECK(g.nodes[g.outputs[0].node].shape == shape_of(3));
  CHECK(g.nodes[g.outputs[0].node].batched);
  for (int i = 0; i < g.nodes.size; ++i)
    for (int k = 0; k < g.nodes[i].operand_count; ++k) CHECK(g.nodes[i].operands[k] < i);
}

TEST_CASE("parameters are named by their layer's place") {
  CHECK(names<test::SmallSeed>() ==
        "2.conv2d.kernel 2.conv2d.bias 3.conv2d.kernel 3.conv2d.bias 4.conv2d.kernel 4.conv2d.bias "
        "7.dense.kernel 7.dense.bias 8.dense.kernel 8.dense.bias ");
}

TEST_CASE("layers inside of layers add to the path, and two of a kind are told apart") {
  using Net =
      nn::Sequential<nn::Input<4, 4, 2>, nn::Residual<nn::Conv2D<2, 3, nn::Same, nn::NoBias>>, test::SqueezeExcite>;
  CHECK(names<Net>() == "1.0.conv2d.kernel 2.dense.kernel 2.dense.bias 2.dense_1.kernel 2.dense_1.bias ");
}

TEST_CASE("the optimiser's state is named after its parameter and is not trained") {
  const Graph g = test::Training<nn::Sequential<nn::Input<3>, nn::Dense<2>>>::make();
  REQUIRE(g.parameters.size == 6);
  CHECK(std::string(g.parameters[2].name.text) == "1.dense.kernel.adam_m");
  CHECK(std::string(g.parameters[5].name.text) == "1.dense.bias.adam_v");
  CHECK(g.parameters[0].trainable);
  CHECK_FALSE(g.parameters[2].trainable);
  CHECK(g.parameters[2].shape == g.parameters[0].shape);
}

TEST_CASE("initialisers know their fans") {
  constexpr Parameter kernel = Inference<test::Seed>::make().parameters[2];
  static_assert(kernel.initializer == Initializer::glorot_uniform);
  static_assert(kernel.fan_in == 3 * 3 * 32);
  static_assert(kernel.fan_out == 3 * 3 * 64);
}

TEST_CASE("same padding puts the odd pixel at the bottom and right") {
  constexpr Window w = [] {
    using Net = nn::Sequential<nn::Input<8, 8, 1>, nn::Conv2D<1, 3, nn::Same, nn::Strides<2>, nn::NoBias>>;
    const Graph g = Inference<Net>::make();
    return g.nodes[g.outputs[0].node].window;
  }();
  static_assert(w.pad_top == 0 && w.pad_left == 0 && w.pad_bottom == 1 && w.pad_right == 1);
}

TEST_CASE("graphs built by hand are checked as well") {
  Graph g;
  const int a = build::input(g, shape_of(3, 4)), b = build::input(g, shape_of(5));
  CHECK_THROWS_AS(build::map(g, MapOp::add, a, b), Error);
  CHECK_THROWS_AS(build::reshape(g, a, shape_of(5)), Error);
  CHECK_THROWS_AS(build::matmul(g, a, b), Error);
  CHECK_THROWS_AS(build::max_index(g, a, Window{.height = 2, .width = 2}), Error);
  CHECK_THROWS_AS(build::contraction(g, Mode::forward, a, b, Window{}, shape_of(1)), Error);
}
