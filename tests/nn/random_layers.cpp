// Dropout, augmentation and what they are made of: random numbers and reads at computed pixels.
#include "random_layers.hpp"
#include "../reference/finite_differences.hpp"
#include "../support/race.hpp"

#include <inlay/nn/residual.hpp>
#include <inlay/train/optimizers.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace inlay;
using namespace inlay::test;
using reference::Values;

namespace {

/// The output of a network of a single layer in training, for keys of a step.
template <class Net>
Values output(const Values& x, int samples, std::uint64_t step = 1, std::uint64_t seed = 5) {
  const RandomKey key = random_key(seed, step);
  return reference::evaluate(InTraining<Net>::make(), samples, {x, {key.number[0]}, {key.number[1]}}, {}).outputs.at(0);
}

Values counted(int count) {
  Values x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i + 1);
  return x;
}
/// The same image for each sample.
Values repeated(const Values& x, int samples) {
  Values all;
  for (int s = 0; s < samples; ++s) all.insert(all.end(), x.begin(), x.end());
  return all;
}
Values sample(const Values& x, int size, int s) { return {x.begin() + s * size, x.begin() + (s + 1) * size}; }

/// An H x W image at other pixels, 0 outside.
template <class From>
Values moved(const Values& x, int height, int width, From from) {
  Values y;
  for (int h = 0; h < height; ++h)
    for (int w = 0; w < width; ++w) {
      const auto [row, column] = from(h, w);
      const bool inside = row >= 0 && row < height && column >= 0 && column < width;
      y.push_back(inside ? x[static_cast<std::size_t>(row * width + column)] : 0);
    }
  return y;
}

std::vector<float> drawn(int threads, int samples, int output, std::uint64_t step) {
  using P = Program<Draws>;
  cpu::Executor<P> executor(threads);
  const std::vector<float> x(static_cast<std::size_t>(2 * samples));
  const RandomKey key = random_key(1, step);
  executor.bind_input(0, x.data());
  executor.bind_input(1, &key.number[0]);
  executor.bind_input(2, &key.number[1]);
  executor.run(samples);
  const Value& value = P::plan.values[P::plan.outputs[output].value];
  std::vector<float> result(static_cast<std::size_t>(value.count * samples));
  executor.read_output(output, samples, result.data());
  return result;
}

}  // namespace

TEST_CASE("whole random numbers are as frequent as each other, and uniform ones have their mean") {
  const int draws = 70000;
  int counts[7] = {};
  double sum = 0;
  for (int i = 0; i < draws; ++i) {
    const auto element = static_cast<std::uint32_t>(i);
    ++counts[static_cast<int>(random_element(0.25f, 0.5f, 3, 2, element, 7))];
    sum += static_cast<double>(random_element(0.25f, 0.5f, 3, 2, element, 0));
  }
  const double deviation = std::sqrt(draws * (1.0 / 7) * (6.0 / 7));
  for (const int count : counts) CHECK(std::fabs(count - draws / 7.0) < 5 * deviation);
  CHECK(std::fabs(sum - draws / 2.0) < 5 * std::sqrt(draws / 12.0));
}
TEST_CASE("the CPU draws the reference's numbers, bit for bit, on any number of threads") {
  const Graph graph = Draws::make();
  const RandomKey key = random_key(1, 9);
  for (int samples : {1, 5, 130}) {
    const auto expected = reference::evaluate(
        graph, samples, {Values(static_cast<std::size_t>(2 * samples)), {key.number[0]}, {key.number[1]}}, {});
    for (int threads : {1, 2, 3})
      for (int o = 0; o < 5; ++o) {
        const auto got = drawn(threads, samples, o, 9);
        CHECK(Values(got.begin(), got.end()) == expected.outputs[static_cast<std::size_t>(o)]);
      }
  }
}
TEST_CASE("another step, node or sample draws other numbers; a longer batch begins with the same ones") {
  const auto first = drawn(1, 4, 1, 1);
  CHECK(first == drawn(2, 4, 1, 1));
  CHECK(first != drawn(1, 4, 1, 2));
  const auto longer = drawn(1, 9, 1, 1);
  CHECK(std::equal(first.begin(), first.end(), longer.begin()));
  CHECK(std::set<float>(first.begin(), first.end()).size() == first.size());  // 960 of 2^24: p = 3 % for a pair
  const auto other = drawn(1, 4, 2, 1);
  CHECK(!std::equal(other.begin(), other.begin() + 100, first.begin()));
}
TEST_CASE("Dropout zeroes the rate's share of elements and keeps the mean") {
  using Net = nn::Sequential<nn::Input<10, 10, 8>, nn::Dropout<std::ratio<1, 4>>>;
  const int samples = 10, count = 800 * samples;
  const Values y = output<Net>(Values(static_cast<std::size_t>(count), 3.0), samples);
  int zeros = 0;
  for (const double v : y) {
    if (v == 0) ++zeros;
    else CHECK(v == doctest::Approx(4).epsilon(1e-7));
  }
  CHECK(std::fabs(zeros - count / 4.0) < 5 * std::sqrt(count * 3.0 / 16));
}
TEST_CASE("Dropout drops even what is infinite, and at rate 0 nothing") {
  using Half = nn::Sequential<nn::Input<64>, nn::Dropout<std::ratio<1, 2>>>;
  for (const double v : output<Half>(Values(64, HUGE_VAL), 1)) CHECK((v == 0 || v == HUGE_VAL));
  using None = nn::Sequential<nn::Input<3>, nn::Dropout<std::ratio<0>>>;
  CHECK(reference::evaluate(InTraining<None>::make(), 1, {{1, 2, 3}}, {}).outputs[0] == Values{1, 2, 3});
}
TEST_CASE("in inference random layers are the identity and draw nothing") {
  using Net = nn::Sequential<nn::Input<4, 4, 1>, nn::RandomFlip, nn::RandomTranslation<1>, nn::RandomCutout<2>,
                             nn::Dropout<std::ratio<1, 2>>>;
  const Graph graph = Inference<Net>::make();
  CHECK(graph.inputs.size == 1);
  CHECK(reference::evaluate(graph, 1, {counted(16)}, {}).outputs[0] == counted(16));
  CHECK(simplify(graph).nodes.size == 1);
}
TEST_CASE("dropout's gradient has the mask of its forward pass") {
  Differentiable f;
  f.g =
      InTraining<nn::Sequential<nn::Input<3, 3, 2>, nn::Conv2D<4, 2, nn::Tanh>, nn::Dropout<std::ratio<1, 3>>>>::make();
  for (int i = 0; i < f.g.nodes.size; ++i)
    if (f.g.nodes[i].op == Op::parameter || (f.g.nodes[i].op == Op::input && f.g.nodes[i].batched)) f.leaves.push(i);
  CHECK(gradient_error(f.g, f.loss(f.g.outputs[0].node), f.leaves) <= rounded_constant_tolerance);
}
TEST_CASE("RandomFlip mirrors about half of the images, whole") {
  using Net = nn::Sequential<nn::Input<3, 4, 1>, nn::RandomFlip>;
  const int samples = 400;
  const Values x = counted(12), y = output<Net>(repeated(x, samples), samples);
  const Values mirrored = moved(x, 3, 4, [](int h, int w) { return std::pair(h, 3 - w); });
  int count = 0;
  for (int s = 0; s < samples; ++s) {
    const Values one = sample(y, 12, s);
    CHECK((one == x || one == mirrored));
    count += one == mirrored;
  }
  CHECK(std::abs(count - 200) < 50);
}
TEST_CASE("RandomTranslation moves images by every whole shift in its range, with zeros behind") {
  using Net = nn::Sequential<nn::Input<4, 5, 1>, nn::RandomTranslation<2>>;
  const int samples = 400;
  const Values x = counted(20), y = output<Net>(repeated(x, samples), samples);
  std::set<std::pair<int, int>> seen;
  for (int s = 0; s < samples; ++s) {
    const Values one = sample(y, 20, s);
    int matches = 0;
    for (int down = -2; down <= 2; ++down)
      for (int right = -2; right <= 2; ++right)
        if (one == moved(x, 4, 5, [&](int h, int w) { return std::pair(h - down, w - right); })) {
          seen.insert({down, right});
          ++matches;
        }
    CHECK(matches == 1);
  }
  CHECK(seen.size() == 25);
}
TEST_CASE("RandomCutout hides a square, or what of it lies in the image") {
  for (int size : {3, 4}) {
    const int samples = 300;
    const Values x = counted(30);
    const Values y =
        size == 3 ? output<nn::Sequential<nn::Input<5, 6, 1>, nn::RandomCutout<3>>>(repeated(x, samples), samples)
                  : output<nn::Sequential<nn::Input<5, 6, 1>, nn::RandomCutout<4>>>(repeated(x, samples), samples);
    std::set<std::pair<int, int>> seen;
    for (int s = 0; s < samples; ++s) {
      const Values one = sample(y, 30, s);
      int matches = 0;
      for (int row = 0; row < 5; ++row)
        for (int column = 0; column < 6; ++column) {
          const int top = row - size / 2, left = column - size / 2;
          const Values expected = moved(x, 5, 6, [&](int h, int w) {
            const bool hidden = h >= top && h < top + size && w >= left && w < left + size;
            return hidden ? std::pair(-1, -1) : std::pair(h, w);
          });
          if (one != expected) continue;
          seen.insert({row, column});
          ++matches;
        }
      CHECK(matches == 1);
    }
    CHECK(seen.size() == 30);
  }
}
TEST_CASE("Normalization shifts and scales each channel, in inference too") {
  using Each =
      nn::Sequential<nn::Input<1, 2, 3, std::uint8_t>,
                     nn::Normalization<nn::Mean<std::ratio<1>, std::ratio<2>, std::ratio<3>>,
                                       nn::StandardDeviation<std::ratio<1, 2>, std::ratio<1, 4>, std::ratio<2>>>>;
  CHECK(reference::evaluate(Inference<Each>::make(), 1, {{1, 2, 3, 4, 5, 6}}, {}).outputs[0] ==
        Values{0, 0, 0, 6, 12, 1.5});
  using One =
      nn::Sequential<nn::Input<2>, nn::Normalization<nn::Mean<std::ratio<1>>, nn::StandardDeviation<std::ratio<1, 2>>>>;
  CHECK(reference::evaluate(Inference<One>::make(), 1, {{1, 2}}, {}).outputs[0] == Values{0, 2});
}
TEST_CASE("training through a random flip is refused") {
  using Net = nn::Sequential<nn::Input<4, 4, 1>, nn::Conv2D<1, 3, nn::Same>, nn::RandomFlip, nn::Flatten, nn::Dense<3>>;
  CHECK_THROWS_AS((TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>::make()), Error);
}
TEST_CASE("a flip and rescaling before a convolution are part of its load") {
  using P = Program<TrainingGraph<FlippedNet, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  for (const Value& value : P::plan.values)  // no image is stored
    CHECK(!(value.storage == Storage::arena && value.batched && value.count == 6 * 5 * 2));
}
TEST_CASE("networks with random layers train on the CPU as the reference does") {
  for (int threads : {1, 2}) {
    Race<RandomNet, SGD> every(threads);
    Race<FlippedNet, SGD> flipped(threads);
    for (int samples : {6, 3, 7}) {
      every.step(samples);
      flipped.step(samples);
      CAPTURE(samples);
      CHECK(every.loss == doctest::Approx(every.expected_loss).epsilon(test::gamma(2000)));
      CHECK(every.difference() < test::gamma(2000));
      CHECK(flipped.difference() < test::gamma(2000));
    }
  }
}
