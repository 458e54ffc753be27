// Pooling and convolution by any windows: values against plain loops, training steps against the reference.
#include "windows.hpp"

#include "../support/race.hpp"

#include <inlay/graph/trace.hpp>
#include <inlay/train/optimizers.hpp>

#include <algorithm>

using namespace inlay;

namespace {

/// What a plain loop makes of each window of a one-channel image: of its elements in the image, in row-major order.
template <class F>
std::vector<double> by_window(const std::vector<double>& x, int height, int width, const Window& v, int p, int q, F f) {
  std::vector<double> y;
  for (int i = 0; i < p; ++i)
    for (int j = 0; j < q; ++j) {
      std::vector<double> elements;
      for (int h = i * v.stride_h - v.pad_top; h < i * v.stride_h - v.pad_top + v.height; ++h)
        for (int w = j * v.stride_w - v.pad_left; w < j * v.stride_w - v.pad_left + v.width; ++w)
          if (h >= 0 && h < height && w >= 0 && w < width)
            elements.push_back(x[static_cast<std::size_t>(h * width + w)]);
      y.push_back(f(elements));
    }
  return y;
}
double largest(const std::vector<double>& x) { return *std::max_element(x.begin(), x.end()); }
double average(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}

template <class Layer, class F>
void check_layer(const Window& v, int p, int q, F f) {
  using Net = nn::Sequential<nn::Input<7, 5, 1>, Layer>;
  const Graph graph = Inference<Net>::make();
  const test::Numbers in = test::random_inputs(graph, 1, 3);
  const auto y = reference::evaluate(graph, 1, in.values, {}).outputs[0];
  const auto expected = by_window(in.values[0], 7, 5, v, p, q, f);
  REQUIRE(y.size() == expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

}  // namespace

TEST_CASE("pooling windows lie where Keras lays them") {
  const Window odd{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2};
  check_layer<nn::MaxPooling2D<2>>(odd, 3, 2, largest);
  check_layer<nn::AveragePooling2D<2>>(odd, 3, 2, average);
  Window same{.height = 3, .width = 3, .stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1};
  check_layer<nn::MaxPooling2D<3, nn::Strides<2>, nn::Same>>(same, 4, 3, largest);
  check_layer<nn::AveragePooling2D<3, nn::Strides<2>, nn::Same>>(same, 4, 3, average);
  Window even{
      .height = 2, .width = 2, .stride_h = 2, .stride_w = 2};  // Same adds a row below and a column to the right
  check_layer<nn::MaxPooling2D<2, nn::Same>>(even, 4, 3, largest);
  check_layer<nn::AveragePooling2D<2, nn::Same>>(even, 4, 3, average);
}
// See executor.cpp for the bound.
TEST_CASE("networks of such windows train as the reference does") {
  for (int threads : {1, 2}) {
    test::Race<test::MaxPools, SGD> maxima(threads);
    test::Race<test::AveragePools, SGD> averages(threads);
    test::Race<test::Grouped, SGD> groups(threads);
    for (int samples : {4, 3}) {
      maxima.step(samples);
      averages.step(samples);
      groups.step(samples);
      CHECK(maxima.loss == doctest::Approx(maxima.expected_loss).epsilon(test::gamma(2000)));
      CHECK(averages.loss == doctest::Approx(averages.expected_loss).epsilon(test::gamma(2000)));
      CHECK(groups.loss == doctest::Approx(groups.expected_loss).epsilon(test::gamma(2000)));
      CHECK(maxima.difference() < test::gamma(20000));
      CHECK(averages.difference() < test::gamma(20000));
      CHECK(groups.difference() < test::gamma(20000));
    }
  }
}
TEST_CASE("a depthwise kernel has Keras' initial range") {
  const Graph graph = Inference<nn::Sequential<nn::Input<8, 8, 6>, nn::DepthwiseConv2D<3>>>::make();
  CHECK(graph.parameters[0].name.text == std::string("1.depthwise_conv2d.kernel"));
  CHECK(graph.parameters[0].fan_in == 54);
  CHECK(graph.parameters[0].fan_out == 9);
}
