// The gradient of every primitive, and the gradient of its gradient, against finite differences.
#include <doctest/doctest.h>

#include "finite_differences.hpp"

using namespace inlay;
using namespace inlay::test;

namespace {

/// Checks y and its second derivative; y is a node of f.
void check(const char* what, Differentiable& f, int y, double tolerance = finite_difference_tolerance) {
  const GradientErrors errors = gradient_errors(f, y);
  INFO(what, ": first ", errors.first, ", second ", errors.second, ", tolerance ", tolerance);
  CHECK(errors.first <= tolerance);
  CHECK(errors.second <= 100 * tolerance);  // a gradient's square: third derivatives and sums are that much larger
}

struct Case {
  const char* name;
  MapOp op;
};

}  // namespace

TEST_CASE("the derivative of every function of one operand is that of finite differences") {
  const Case cases[] = {{"copy", MapOp::copy}, {"negate", MapOp::negate}, {"absolute", MapOp::absolute},
                        {"exp", MapOp::exp},   {"tanh", MapOp::tanh},     {"erf", MapOp::erf}};
  for (const Case& c : cases) {
    Differentiable f;
    const int x = f.input(shape_of(2, 3));
    const double tolerance = c.op == MapOp::erf ? rounded_constant_tolerance : finite_difference_tolerance;
    check(c.name, f, f.map(c.op, x), tolerance);
  }
  for (const Case& c : {Case{"log", MapOp::log}, Case{"sqrt", MapOp::sqrt}}) {
    Differentiable f;
    const int x = f.input(shape_of(2, 3));
    check(c.name, f, f.map(c.op, f.map(MapOp::add, f.map(MapOp::multiply, x, x), f.number(0.75f))));
  }
}

TEST_CASE("the derivative of every function of two operands is that of finite differences") {
  const Case cases[] = {{"add", MapOp::add},
                        {"subtract", MapOp::subtract},
                        {"multiply", MapOp::multiply},
                        {"maximum", MapOp::maximum},
                        {"minimum", MapOp::minimum}};
  for (const Case& c : cases) {
    Differentiable f;
    const int a = f.input(shape_of(2, 3)), b = f.input(shape_of(2, 3));
    check(c.name, f, f.map(c.op, a, b));
  }
  Differentiable f;
  const int a = f.input(shape_of(2, 3)), b = f.input(shape_of(2, 3));
  check("divide", f, f.map(MapOp::divide, a, f.map(MapOp::add, f.map(MapOp::multiply, b, b), f.number(0.75f))));
}

TEST_CASE("select passes the gradient to the side that it takes") {
  Differentiable f;
  const int c = f.input(shape_of(2, 3)), a = f.input(shape_of(2, 3)), b = f.input(shape_of(3));
  check("select", f, f.map(MapOp::select, f.map(MapOp::greater, c, f.number(0)), a, b));
}

TEST_CASE("stop_gradient, comparisons and argmax have no derivative") {
  for (const MapOp op : {MapOp::stop_gradient, MapOp::is_finite}) {
    Differentiable f;
    const int x = f.input(shape_of(3));
    const int loss = f.loss(f.map(op, x));
    const List<int> d = gradient(f.g, loss, f.leaves);
    Feed feed(f.g, 2, 1);
    const reference::Result result = reference::evaluate(f.g, 2, feed.inputs, feed.parameters);
    for (double value : result.nodes[static_cast<std::size_t>(d[0])]) CHECK(value == 0);
  }
  Differentiable f;
  const int a = f.input(shape_of(3)), b = f.input(shape_of(3));
  check("equal and greater", f, f.map(MapOp::add, f.map(MapOp::equal, a, b), f.map(MapOp::greater, a, b)));
  Differentiable g;
  check("argmax", g, build::reduce(g.g, ReduceOp::argmax, g.input(shape_of(3)), 1));
}

TEST_CASE("gradients sum over what broadcasting repeated, in every pattern") {
  struct Pattern {
    const char* name;
    Shape a, b;
    bool a_batched, b_batched;
  };
  const Pattern patterns[] = {
      {"vector to image", shape_of(2, 3, 4), shape_of(4), true, false},
      {"number to image", shape_of(2, 3, 4), Shape{}, true, false},
      {"number of each sample", shape_of(2, 3), Shape{}, false, true},
      {"column to matrix", shape_of(3, 4), shape_of(3, 1), true, true},
      {"column times row", shape_of(3, 1), shape_of(1, 4), true, false},
      {"pixel mask", shape_of(2, 3, 4), shape_of(2, 3, 1), false, true},
      {"lower rank", shape_of(2, 2, 3, 2), shape_of(3, 2), true, false},
      {"to the batch", shape_of(2, 3), shape_of(2, 3), true, false},
      {"extent one on both", shape_of(1, 3), shape_of(2, 1), true, true},
  };
  for (const Pattern& p : patterns) {
    for (const MapOp op : {MapOp::add, MapOp::multiply, MapOp::maximum}) {
      Differentiable f;
      const int a = f.input(p.a, p.a_batched), b = f.input(p.b, p.b_batched);
      check(p.name, f, f.map(op, a, b));
    }
  }
  Differentiable f;
  check("broadcast_to", f, build::broadcast_to(f.g, f.input(shape_of(3), false), shape_of(2, 3), true));
}

TEST_CASE("every mode of contraction has gradients in both operands") {
  struct Form {
    const char* name;
    int h, w, c, k;
    Window window;
  };
  const Form forms[] = {
      {"3x3 same", 4, 3, 2, 3, {.height = 3, .width = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1}},
      {"valid, oblong", 4, 5, 1, 2, {.height = 2, .width = 3}},
      {"stride 2, uneven pads",
       5,
       4,
       2,
       2,
       {.height = 3, .width = 2, .stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_right = 1}},
      {"dilation", 5, 5, 1, 2, {.height = 2, .width = 3, .pad_left = 1, .dilation_h = 3, .dilation_w = 2}},
      {"two groups", 3, 3, 4, 6, {.height = 2, .width = 2, .groups = 2}},
      {"depthwise", 3, 3, 3, 3, {.height = 3, .width = 3, .pad_top = 1, .pad_bottom = 1, .groups = 3}},
      {"dense", 1, 1, 5, 3, {}},
  };
  for (const Form& s : forms) {
    const Window& v = s.window;
    const Shape x = shape_of(s.h, s.w, s.c), w = shape_of(v.height, v.width, s.c / v.groups, s.k);
    const Shape y = shape_of(window_output(s.h, v.height, v.stride_h, v.pad_top, v.pad_bottom, v.dilation_h),
                             window_output(s.w, v.width, v.stride_w, v.pad_left, v.pad_right, v.dilation_w), s.k);
    for (const bool batched : {true, false}) {
      Differentiable forward, data, weight;
      int a = forward.input(x, batched), b = forward.parameter(w);
      check(s.name, forward, build::contraction(forward.g, Mode::forward, a, b, v, y));
      a = data.input(y, batched), b = data.parameter(w);
      check(s.name, data, build::contraction(data.g, Mode::data_gradient, a, b, v, x));
      a = weight.input(x, batched), b = weight.input(y, batched);
      check(s.name, weight, build::contraction(weight.g, Mode::weight_gradient, a, b, v, w),
            4 * finite_difference_tolerance);
    }
  }
}

TEST_CASE("matrix products have gradients in both factors") {
  Differentiable f;
  int a = f.input(shape_of(2, 3), false), b = f.parameter(shape_of(3, 4));
  check("matrix times matrix", f, build::matmul(f.g, a, b));
  Differentiable v;
  a = v.input(shape_of(3)), b = v.parameter(shape_of(3, 2));
  check("vector times matrix", v, build::matmul(v.g, a, b));
  Differentiable s;
  a = s.parameter(shape_of(3, 3));
  check("a matrix squared", s, build::matmul(s.g, a, a));
}

TEST_CASE("sums and maxima have gradients over any axes and the batch") {
  for (int axes = 0; axes < 8; ++axes)
    for (const bool over_batch : {false, true}) {
      Differentiable f;
      check("sum", f, build::reduce(f.g, ReduceOp::sum, f.input(shape_of(2, 3, 2)), axes, over_batch));
      Differentiable m;
      check("max", m, build::reduce(m.g, ReduceOp::max, m.input(shape_of(2, 3, 2)), axes, over_batch));
    }
}

TEST_CASE("views have gradients") {
  Differentiable r;
  check("reshape", r, build::reshape(r.g, r.input(shape_of(2, 3, 2)), shape_of(4, 3)));
  const int permutations[][max_rank] = {{1, 2, 0, 3}, {2, 0, 1, 3}, {2, 1, 0, 3}};
  for (const auto& axes : permutations) {
    Differentiable t;
    check("transpose", t, build::transpose(t.g, t.input(shape_of(2, 3, 4)), axes));
  }
}

TEST_CASE("slices and paddings of channels have gradients") {
  struct Part {
    int first, count;
  };
  for (const Part& part : {Part{1, 2}, Part{0, 5}, Part{-2, 3}, Part{-1, 6}, Part{3, 2}, Part{5, 1}}) {
    Differentiable f;
    check("channels", f, build::channels(f.g, f.input(shape_of(2, 2, 4)), part.first, part.count));
    Differentiable shared;
    check("channels of a vector", shared,
          build::channels(shared.g, shared.parameter(shape_of(4)), part.first, part.count));
  }
}

TEST_CASE("max pooling's gather and scatter are each other's gradient") {
  const Window window{.height = 2, .width = 3, .stride_h = 2, .stride_w = 3};
  Differentiable f;
  const int x = f.input(shape_of(4, 3, 2));
  check("gather at the maxima", f, build::gather(f.g, x, build::max_index(f.g, x, window)));
  Differentiable other;
  const int index = build::max_index(other.g, build::input(other.g, shape_of(4, 3, 2)), window);
  check("gather of another image", other, build::gather(other.g, other.input(shape_of(4, 3, 2)), index));
  Differentiable s;
  const int at = build::max_index(s.g, build::input(s.g, shape_of(4, 3, 2)), window);
  check("scatter", s, build::scatter(s.g, s.input(shape_of(2, 1, 2)), at));
  Differentiable shared;
  const int to = build::max_index(shared.g, build::input(shared.g, shape_of(4, 3, 2)), window);
  check("scatter of a value shared by the samples", shared,
        build::scatter(shared.g, shared.parameter(shape_of(2, 1, 2)), to));
}

TEST_CASE("a value used more than once gets the sum of its users' gradients") {
  Differentiable f;
  const int x = f.input(shape_of(3));
  const int twice = f.map(MapOp::multiply, x, x);
  const int thrice = f.map(MapOp::add, twice, f.map(MapOp::tanh, x));
  check("x * x + tanh(x), times x", f, f.map(MapOp::multiply, thrice, x));
}

TEST_CASE("what the loss does not depend on has gradient zero") {
  Differentiable f;
  const int x = f.input(shape_of(3));
  f.input(shape_of(2, 2), false);
  f.parameter(shape_of(5));
  check("unused leaves", f, f.map(MapOp::exp, x));
}

TEST_CASE("gradient refuses a loss that is not one number") {
  Differentiable f;
  const int x = f.input(shape_of(3));
  CHECK_THROWS_AS(gradient(f.g, x, f.leaves), Error);
}
