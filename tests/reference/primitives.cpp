// Every primitive of the reference against Eigen.
#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <functional>

#include "finite_differences.hpp"

using namespace inlay;
using reference::Values;

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<const Matrix>;
using Array = Eigen::ArrayXd;

/// Sums of products may differ by their order only.
constexpr double rounding = 1e-13;

struct Run {
  Graph g;
  int samples = 2;
  Values value(int node) {
    test::Feed f(g, samples, 3);
    feed = f.inputs;
    return reference::evaluate(g, samples, f.inputs, f.parameters).nodes[static_cast<std::size_t>(node)];
  }
  std::vector<Values> feed;
};

double difference(const Values& a, const Eigen::Ref<const Array>& b) {
  REQUIRE(static_cast<Eigen::Index>(a.size()) == b.size());
  const Eigen::Map<const Array> x(a.data(), static_cast<Eigen::Index>(a.size()));
  return (x - b).abs().maxCoeff() / std::max(1.0, b.abs().maxCoeff());
}
Array array(const Values& v) { return Eigen::Map<const Array>(v.data(), static_cast<Eigen::Index>(v.size())); }
Array flat(const Matrix& m) { return Eigen::Map<const Array>(m.data(), m.size()); }

/// Sizes of a convolution and its two operands' patches as matrices, one group at a time.
struct Convolution {
  int h, w, c, k;
  Window v;

  int p() const { return window_output(h, v.height, v.stride_h, v.pad_top, v.pad_bottom, v.dilation_h); }
  int q() const { return window_output(w, v.width, v.stride_w, v.pad_left, v.pad_right, v.dilation_w); }
  int in() const { return c / v.groups; }
  int out() const { return k / v.groups; }
  Shape x() const { return shape_of(h, w, c); }
  Shape weights() const { return shape_of(v.height, v.width, in(), k); }
  Shape y() const { return shape_of(p(), q(), k); }

  /// im2col: a row for each output pixel, a column for each weight of an output channel of group g. Entries are
  /// positions in x, -1 for padding.
  Eigen::MatrixXi patches(int g) const {
    Eigen::MatrixXi at(p() * q(), v.height * v.width * in());
    for (int row = 0; row < at.rows(); ++row)
      for (int column = 0; column < at.cols(); ++column) {
        const int r = column / (v.width * in()), s = column / in() % v.width, channel = g * in() + column % in();
        const int y = row / q() * v.stride_h + r * v.dilation_h - v.pad_top;
        const int x = row % q() * v.stride_w + s * v.dilation_w - v.pad_left;
        at(row, column) = y < 0 || y >= h || x < 0 || x >= w ? -1 : (y * w + x) * c + channel;
      }
    return at;
  }
  Matrix gathered(const double* x, int g) const {
    return patches(g).unaryExpr([x](int i) { return i < 0 ? 0.0 : x[i]; }).cast<double>();
  }
};

const Convolution convolutions[] = {
    {5, 4, 2, 3, {.height = 3, .width = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1}},
    {6, 5, 1, 2, {.height = 2, .width = 3}},
    {7, 6, 2, 2, {.height = 3, .width = 2, .stride_h = 2, .stride_w = 3, .pad_top = 1, .pad_right = 1}},
    {7, 7, 2, 1, {.height = 3, .width = 2, .pad_left = 1, .dilation_h = 2, .dilation_w = 3}},
    {4, 4, 4, 6, {.height = 2, .width = 2, .groups = 2}},
    {4, 4, 3, 3, {.height = 3, .width = 3, .stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1, .groups = 3}},
    {1, 1, 9, 4, {}},
    {1, 5, 3, 4, {}},
};

}  // namespace

TEST_CASE("maps of one operand") {
  struct Case {
    MapOp op;
    std::function<Array(const Array&)> eigen;
  };
  const Case cases[] = {
      {MapOp::copy, [](const Array& x) -> Array { return x; }},
      {MapOp::stop_gradient, [](const Array& x) -> Array { return x; }},
      {MapOp::negate, [](const Array& x) -> Array { return -x; }},
      {MapOp::absolute, [](const Array& x) -> Array { return x.abs(); }},
      {MapOp::exp, [](const Array& x) -> Array { return x.exp(); }},
      {MapOp::log, [](const Array& x) -> Array { return x.log(); }},
      {MapOp::sqrt, [](const Array& x) -> Array { return x.sqrt(); }},
      {MapOp::tanh, [](const Array& x) -> Array { return x.tanh(); }},
      {MapOp::is_finite, [](const Array& x) -> Array { return x.isFinite().cast<double>(); }},
  };
  for (const Case& c : cases) {
    Run run;
    const int x = build::input(run.g, shape_of(3, 4));
    const bool positive = c.op == MapOp::log || c.op == MapOp::sqrt;
    const int a = positive ? build::map(run.g, MapOp::add, x, build::constant(run.g, 1.5f)) : x;
    const Values y = run.value(build::map(run.g, c.op, a));
    const Array in = array(run.feed[0]) + (positive ? 1.5 : 0.0);
    INFO("map ", static_cast<int>(c.op));
    CHECK(difference(y, c.eigen(in)) <= rounding);
  }
  Run run;
  const Values y = run.value(build::map(run.g, MapOp::erf, build::input(run.g, shape_of(12))));
  CHECK(difference(y, array(run.feed[0]).unaryExpr([](double x) { return std::erf(x); })) == 0);
}

TEST_CASE("maps of two operands, broadcast along rows and columns") {
  struct Case {
    MapOp op;
    std::function<double(double, double)> f;
  };
  const Case cases[] = {
      {MapOp::add, [](double a, double b) { return a + b; }},
      {MapOp::subtract, [](double a, double b) { return a - b; }},
      {MapOp::multiply, [](double a, double b) { return a * b; }},
      {MapOp::divide, [](double a, double b) { return a / b; }},
      {MapOp::maximum, [](double a, double b) { return std::max(a, b); }},
      {MapOp::minimum, [](double a, double b) { return std::min(a, b); }},
      {MapOp::equal, [](double a, double b) { return a == b ? 1.0 : 0.0; }},
      {MapOp::greater, [](double a, double b) { return a > b ? 1.0 : 0.0; }},
  };
  for (const Case& c : cases) {
    Run run;
    const int a = build::input(run.g, shape_of(3, 4)), row = build::input(run.g, shape_of(4)),
              column = build::input(run.g, shape_of(3, 1), Element::f32, false);
    const int with_row = build::map(run.g, c.op, a, row), with_column = build::map(run.g, c.op, a, column);
    const Values y = run.value(with_row), z = run.value(with_column);
    for (int s = 0; s < 2; ++s) {
      const View m(run.feed[0].data() + 12 * s, 3, 4), r(run.feed[1].data() + 4 * s, 1, 4), k(run.feed[2].data(), 3, 1);
      const View got_row(y.data() + 12 * s, 3, 4), got_column(z.data() + 12 * s, 3, 4);
      CHECK(got_row == Matrix(m.binaryExpr(r.replicate(3, 1), c.f)));
      CHECK(got_column == Matrix(m.binaryExpr(k.replicate(1, 4), c.f)));
    }
  }
}

TEST_CASE("maximum and minimum keep a NaN in their first operand; select takes b where the condition is 0") {
  Graph g;
  const int a = build::input(g, shape_of(3)), b = build::input(g, shape_of(3));
  const int high = build::map(g, MapOp::maximum, a, b), low = build::map(g, MapOp::minimum, a, b);
  const int chosen = build::map(g, MapOp::select, b, a, b);
  const double nan = std::nan("");
  const auto nodes = reference::evaluate(g, 1, {{nan, 1, 2}, {5, nan, 0}}, {}).nodes;
  CHECK(std::isnan(nodes[static_cast<std::size_t>(high)][0]));
  CHECK(nodes[static_cast<std::size_t>(high)][1] == 1);
  CHECK(std::isnan(nodes[static_cast<std::size_t>(low)][0]));
  CHECK(nodes[static_cast<std::size_t>(low)][2] == 0);
  CHECK(nodes[static_cast<std::size_t>(chosen)][2] == 0);
  CHECK(nodes[static_cast<std::size_t>(chosen)][1] == 1);
}

TEST_CASE("contraction, forward: im2col times weights") {
  for (const Convolution& c : convolutions) {
    Run run;
    const int x = build::input(run.g, c.x()), w = build::input(run.g, c.weights(), Element::f32, false);
    const Values y = run.value(build::contraction(run.g, Mode::forward, x, w, c.v, c.y()));
    const View weights(run.feed[1].data(), c.v.height * c.v.width * c.in(), c.k);
    Matrix expected(2 * c.p() * c.q(), c.k);
    for (int s = 0; s < 2; ++s)
      for (int g = 0; g < c.v.groups; ++g)
        expected.block(s * c.p() * c.q(), g * c.out(), c.p() * c.q(), c.out()) =
            c.gathered(run.feed[0].data() + s * c.x().count(), g) * weights.middleCols(g * c.out(), c.out());
    CHECK(difference(y, flat(expected)) <= rounding);
  }
}

TEST_CASE("contraction, data gradient: col2im of dy times weights transposed") {
  for (const Convolution& c : convolutions) {
    Run run;
    const int d = build::input(run.g, c.y()), w = build::input(run.g, c.weights(), Element::f32, false);
    const Values dx = run.value(build::contraction(run.g, Mode::data_gradient, d, w, c.v, c.x()));
    const View weights(run.feed[1].data(), c.v.height * c.v.width * c.in(), c.k);
    Array expected = Array::Zero(2 * c.x().count());
    for (int s = 0; s < 2; ++s)
      for (int g = 0; g < c.v.groups; ++g) {
        const View dy(run.feed[0].data() + s * c.y().count(), c.p() * c.q(), c.k);
        const Matrix columns =
            dy.middleCols(g * c.out(), c.out()) * weights.middleCols(g * c.out(), c.out()).transpose();
        const Eigen::MatrixXi at = c.patches(g);
        for (int i = 0; i < at.rows(); ++i)
          for (int j = 0; j < at.cols(); ++j)
            if (at(i, j) >= 0) expected(s * c.x().count() + at(i, j)) += columns(i, j);
      }
    CHECK(difference(dx, expected) <= rounding);
  }
}

TEST_CASE("contraction, weight gradient: im2col transposed times dy, summed over samples") {
  for (const Convolution& c : convolutions) {
    Run run;
    const int x = build::input(run.g, c.x()), d = build::input(run.g, c.y());
    const Values dw = run.value(build::contraction(run.g, Mode::weight_gradient, x, d, c.v, c.weights()));
    Matrix expected = Matrix::Zero(c.v.height * c.v.width * c.in(), c.k);
    for (int s = 0; s < 2; ++s)
      for (int g = 0; g < c.v.groups; ++g) {
        const View dy(run.feed[1].data() + s * c.y().count(), c.p() * c.q(), c.k);
        expected.middleCols(g * c.out(), c.out()) +=
            c.gathered(run.feed[0].data() + s * c.x().count(), g).transpose() * dy.middleCols(g * c.out(), c.out());
      }
    CHECK(difference(dw, flat(expected)) <= rounding);
  }
}

TEST_CASE("matmul is Eigen's product") {
  Run run;
  const int a = build::input(run.g, shape_of(5, 7), Element::f32, false);
  const int b = build::input(run.g, shape_of(7, 3), Element::f32, false), v = build::input(run.g, shape_of(7));
  const int ab = build::matmul(run.g, a, b), vb = build::matmul(run.g, v, b);
  const Values y = run.value(ab), z = run.value(vb);
  const View ma(run.feed[0].data(), 5, 7), mb(run.feed[1].data(), 7, 3), mv(run.feed[2].data(), 2, 7);
  CHECK(difference(y, flat(ma * mb)) <= rounding);
  CHECK(difference(z, flat(mv * mb)) <= rounding);
}

TEST_CASE("reductions over rows, columns and the batch") {
  Run run;
  const int x = build::input(run.g, shape_of(3, 4));
  const int rows = build::reduce(run.g, ReduceOp::sum, x, 1), columns = build::reduce(run.g, ReduceOp::sum, x, 2),
            batch = build::reduce(run.g, ReduceOp::sum, x, 0, true),
            highest = build::reduce(run.g, ReduceOp::max, x, 2), where = build::reduce(run.g, ReduceOp::argmax, x, 3);
  run.value(x);
  const View a(run.feed[0].data(), 3, 4), b(run.feed[0].data() + 12, 3, 4);
  const Values y = run.value(rows), z = run.value(columns), t = run.value(batch), m = run.value(highest),
               w = run.value(where);
  for (int s = 0; s < 2; ++s) {
    const View& of = s == 0 ? a : b;
    CHECK((View(y.data() + 4 * s, 1, 4) - of.colwise().sum()).cwiseAbs().maxCoeff() <= rounding);
    CHECK((View(z.data() + 3 * s, 3, 1) - of.rowwise().sum()).cwiseAbs().maxCoeff() <= rounding);
    CHECK(View(m.data() + 3 * s, 3, 1) == Matrix(of.rowwise().maxCoeff()));
    Eigen::Index row = 0, column = 0;
    of.maxCoeff(&row, &column);
    CHECK(w[static_cast<std::size_t>(s)] == static_cast<double>(row * 4 + column));
  }
  CHECK(difference(t, flat(a + b)) <= rounding);
}

TEST_CASE("the first of equals wins in argmax and max_index") {
  Graph g;
  const int x = build::input(g, shape_of(2, 2, 1));
  const int where = build::reduce(g, ReduceOp::argmax, x, 7);
  const int index = build::max_index(g, x, Window{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2});
  const auto nodes = reference::evaluate(g, 1, {{1, 3, 3, 3}}, {}).nodes;
  CHECK(nodes[static_cast<std::size_t>(where)][0] == 1);
  CHECK(nodes[static_cast<std::size_t>(index)][0] == 1);
}

TEST_CASE("max pooling, its index and its scatter are those of Eigen's blocks") {
  Run run;
  const int x = build::input(run.g, shape_of(4, 6, 1));
  const Window window{.height = 2, .width = 3, .stride_h = 2, .stride_w = 3};
  const int index = build::max_index(run.g, x, window), pooled = build::gather(run.g, x, index),
            spread = build::scatter(run.g, pooled, index);
  const Values i = run.value(index), p = run.value(pooled), s = run.value(spread);
  for (int sample = 0; sample < 2; ++sample) {
    const View image(run.feed[0].data() + 24 * sample, 4, 6), back(s.data() + 24 * sample, 4, 6);
    for (int r = 0; r < 2; ++r)
      for (int c = 0; c < 2; ++c) {
        Eigen::Index row = 0, column = 0;
        const double best = image.block(2 * r, 3 * c, 2, 3).maxCoeff(&row, &column);
        const auto at = static_cast<std::size_t>(4 * sample + 2 * r + c);
        CHECK(p[at] == best);
        CHECK(i[at] == static_cast<double>(row * 3 + column));
        Matrix expected = Matrix::Zero(2, 3);
        expected(row, column) = best;
        CHECK(back.block(2 * r, 3 * c, 2, 3) == expected);
      }
  }
}

TEST_CASE("reshape keeps the order, transpose exchanges axes") {
  Run run;
  const int x = build::input(run.g, shape_of(3, 4));
  const int turned = build::transpose(run.g, x, {1, 0, 2, 3}), flattened = build::reshape(run.g, x, shape_of(2, 6));
  const Values y = run.value(turned), z = run.value(flattened);
  CHECK(z == run.feed[0]);
  for (int s = 0; s < 2; ++s)
    CHECK(View(y.data() + 12 * s, 4, 3) == Matrix(View(run.feed[0].data() + 12 * s, 3, 4).transpose()));
  Run cube;  // (2, 3, 4) to (4, 2, 3), an element at a time
  const int c = build::input(cube.g, shape_of(2, 3, 4));
  const Values t = cube.value(build::transpose(cube.g, c, {2, 0, 1, 3}));
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k)
        CHECK(t[static_cast<std::size_t>((k * 2 + i) * 3 + j)] ==
              cube.feed[0][static_cast<std::size_t>((i * 3 + j) * 4 + k)]);
}

TEST_CASE("channels are taken from where they start, and 0 where there are none") {
  Graph g;
  const int x = build::input(g, shape_of(1, 2, 3)), v = build::input(g, shape_of(2), Element::f32, false);
  const int slice = build::channels(g, x, 1, 2), padded = build::channels(g, x, -1, 5),
            none = build::channels(g, v, 2, 1), both = build::channels(g, v, 1, 2);
  const auto nodes = reference::evaluate(g, 1, {{1, 2, 3, 4, 5, 6}, {7, 8}}, {}).nodes;
  CHECK(nodes[static_cast<std::size_t>(slice)] == Values{2, 3, 5, 6});
  CHECK(nodes[static_cast<std::size_t>(padded)] == Values{0, 1, 2, 3, 0, 0, 4, 5, 6, 0});
  CHECK(nodes[static_cast<std::size_t>(none)] == Values{0});
  CHECK(nodes[static_cast<std::size_t>(both)] == Values{8, 0});
  CHECK(build::channels(g, x, 0, 3) == x);
}

TEST_CASE("leaves: coordinates, numbers, the number of samples") {
  Graph g;
  const int along = build::iota(g, shape_of(2, 3), 0), across = build::iota(g, shape_of(2, 3), 1),
            number = build::constant(g, 0.5f), n = build::batch_size(g);
  const auto nodes = reference::evaluate(g, 5, {}, {}).nodes;
  CHECK(nodes[static_cast<std::size_t>(along)] == Values{0, 0, 0, 1, 1, 1});
  CHECK(nodes[static_cast<std::size_t>(across)] == Values{0, 1, 2, 0, 1, 2});
  CHECK(nodes[static_cast<std::size_t>(number)] == Values{0.5});
  CHECK(nodes[static_cast<std::size_t>(n)] == Values{5});
}

TEST_CASE("an update is the parameter's next value, the others stay") {
  Graph g;
  const int p = build::parameter(g, Parameter{.shape = shape_of(2)});
  build::parameter(g, Parameter{.shape = shape_of(1)});
  g.outputs.push({build::map(g, MapOp::add, p, build::constant(g, 1)), 0});
  g.outputs.push({p});
  const reference::Result r = reference::evaluate(g, 1, {}, {{1, 2}, {7}});
  CHECK(r.updated == std::vector<Values>{{2, 3}, {7}});
  CHECK(r.outputs == std::vector<Values>{{1, 2}});
}
