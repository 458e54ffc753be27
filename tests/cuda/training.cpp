// Whole training steps: nets like the seed's at a reduced size, forward, loss, metric, backward and update in one
// program, against the reference interpreter after each step; and the same steps captured in a CUDA graph.
#include "program_run.hpp"

#include <inlay/cuda/epoch_order.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>

#include <doctest/doctest.h>

using namespace inlay;
using namespace inlay::test;

namespace {

/// The network of the seed article, 8 x 8 with few channels.
using Small = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                             nn::Conv2D<3, 3, nn::Same, nn::Relu>, nn::Conv2D<6, 3, nn::Same, nn::Relu>,
                             nn::Conv2D<5, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                             nn::Dense<7, nn::Relu>, nn::Dense<4>>;
template <class Optimizer>
using Training = Program<TrainingGraph<Small, Optimizer, SparseCategoricalCrossentropy, Accuracy>>;
using Evaluation = Program<EvaluationGraph<Small, SparseCategoricalCrossentropy, Accuracy>>;

template <class Optimizer>
void set_numbers(Case& c, const Optimizer& optimizer, int step) {
  float numbers[Optimizer::number_count];
  optimizer.numbers(step, numbers);
  c.inputs[2] = {0.1};  // label smoothing
  for (std::size_t i = 0; i < Optimizer::number_count; ++i) c.inputs[3 + i] = {double{numbers[i]}};
}

/// Reads an input four channels at a time, and in an epilogue.
using Joining = nn::Sequential<nn::Input<4, 4, 8>, nn::Residual<nn::Conv2D<8, 1>>, nn::Relu, nn::Flatten, nn::Dense<3>>;

struct Views {
  static constexpr Graph make() {
    Graph g;
    const int x = build::input(g, shape_of(4, 4, 1)), wide = build::input(g, shape_of(4, 4, 3));
    const int index = build::max_index(g, x, Window{.height = 2, .width = 2, .stride_h = 2, .stride_w = 2});
    const int largest = build::gather(g, x, index);
    g.outputs.push({build::map(g, MapOp::multiply, build::scatter(g, largest, index), wide)});
    g.outputs.push({build::map(g, MapOp::multiply, build::transpose(g, x, {1, 0, 2, 3}), wide)});
    g.outputs.push({build::channels(g, wide, -1, 6)});
    return g;
  }
};

/// Steps on samples of a dataset, taken where they lie, give the bits of the same samples fed as a batch.
template <class P, Precision Multiplied = Precision::fp32>
void check_gathered() {
  constexpr auto inputs = P::plan.inputs;
  constexpr std::int64_t each = inputs[0].shape.count();
  Case set = Case::of<P>(9, 3);
  set_numbers(set, SGD{.learning_rate = 0.05f}, 1);
  const data::Shuffle order(1, 0, 9);
  Device<P, Multiplied> gathered(set), fed(set);
  const auto samples = bytes_of(set.inputs[0], inputs[0].element), labels = bytes_of(set.inputs[1], Element::i32);
  inlay::cuda::DeviceBuffer<unsigned char> device_samples(samples.size()), device_labels(labels.size());
  inlay::cuda::DeviceBuffer<int> device_order(9);
  device_samples.upload(samples, gathered.stream);
  device_labels.upload(labels, gathered.stream);
  inlay::cuda::fill_order(gathered.stream, order, device_order);
  gathered.executor.bind_gathered(0, {device_samples.data(), 9, device_order.data(), 9});
  gathered.executor.bind_gathered(1, {device_labels.data(), 9, device_order.data(), 9});
  for (int first = 0; first < 8; first += 3) {  // two batches of 3 and a short one of 2
    const int count = std::min(3, 8 - first);
    gathered.executor.set_cursor(first);
    gathered.executor.replay(count);
    Case batch = set;
    batch.inputs[0].clear();
    batch.inputs[1].clear();
    for (int n = first; n < first + count; ++n) {
      const std::uint32_t row = order(static_cast<std::uint32_t>(n));
      const auto sample = set.inputs[0].begin() + row * each;
      batch.inputs[0].insert(batch.inputs[0].end(), sample, sample + each);
      batch.inputs[1].push_back(set.inputs[1][static_cast<std::size_t>(row)]);
    }
    fed.feed(batch);
    fed.executor.run(count);
    CHECK(gathered.output(0, count) == fed.output(0, count));
    for (int i = 0; i < P::plan.parameters.size; ++i) CHECK(gathered.parameter(i) == fed.parameter(i));
  }
}

}  // namespace

TEST_CASE("three steps of the small seed net agree with the reference after each step") {
  using P = Training<SGD>;
  Case c = Case::of<P>(6, 4);
  set_numbers(c, SGD{.learning_rate = 0.05f}, 1);
  const double worst = stray<P>(c, 6, 3);
  MESSAGE("SGD: worst difference " << worst);
  CHECK(worst < 2e-6);
}

TEST_CASE("Adam's steps agree with the reference, run or replayed, for several batch sizes") {
  using P = Training<Adam>;
  for (int samples : {1, 5}) {
    CAPTURE(samples);
    Case c = Case::of<P>(samples, 4);
    set_numbers(c, Adam{}, 2);
    for (bool replay : {false, true}) {
      const double worst = stray<P>(c, samples, 3, replay);
      MESSAGE("Adam: worst difference " << worst);
      CHECK(worst < 1e-5);  // Adam divides by the root of v: near-zero gradients lose digits
    }
  }
}

TEST_CASE("steps with L2 agree with the reference, loss included") {
  using Net = nn::Sequential<nn::Input<8, 8, 2>, nn::Conv2D<3, 3, nn::Same, nn::Relu, nn::L2<std::ratio<1, 8>>>,
                             nn::Flatten, nn::Dense<4, nn::L2<std::ratio<1, 32>>>>;
  using P = Program<TrainingGraph<Net, SGD, SparseCategoricalCrossentropy, Accuracy>>;
  Case c = Case::of<P>(3, 4);
  set_numbers(c, SGD{.learning_rate = 0.05f}, 1);
  const double worst = stray<P>(c, 3, 3, true);
  MESSAGE("L2: worst difference " << worst);
  CHECK(worst < 2e-6);
}

TEST_CASE("an evaluation program shares the training program's parameters") {
  using T = Training<SGD>;
  Case c = Case::of<T>(4, 4);
  set_numbers(c, SGD{}, 1);
  Device<T> training(c);
  inlay::cuda::Executor<Evaluation> evaluation(training.stream);
  evaluation.bind_parameters(training.parameters);
  for (int i : {0, 1})
    evaluation.upload_input(i, bytes_of(c.inputs[static_cast<std::size_t>(i)], T::plan.inputs[i].element));
  evaluation.set_number(2, static_cast<float>(c.inputs[2][0]));
  float before = 0, loss = 0, after = 0;
  evaluation.run(4);
  evaluation.read_output(0, 4, &before);
  training.executor.run(4);
  training.executor.read_output(0, 4, &loss);
  evaluation.run(4);
  evaluation.read_output(0, 4, &after);
  CHECK(before == doctest::Approx(loss));
  CHECK(after < before);
}

TEST_CASE("samples gathered from a dataset in shuffled order give the bits of the same samples fed in that order") {
  check_gathered<Training<SGD>>();
  check_gathered<Program<TrainingGraph<Joining, SGD, SparseCategoricalCrossentropy, Accuracy>>>();
  check_gathered<Program<TrainingGraph<Small, SGD, SparseCategoricalCrossentropy, Accuracy>, Element::bf16>,
                 Precision::bf16>();
}

TEST_CASE("a dataset is read wherever a kernel reads an input: transposed, pooled, by a window's place, by channel") {
  using P = Program<Views>;
  const Case set = Case::of<P>(7, 3);
  Device<P> gathered(set), fed(set);
  const std::vector<int> places{4, 0, 6, 2, 5};
  inlay::cuda::DeviceBuffer<int> order(places.size());
  order.upload(places, gathered.stream);
  std::vector<inlay::cuda::DeviceBuffer<unsigned char>> data;
  Case batch = set;
  for (int i = 0; i < P::plan.inputs.size; ++i) {
    const Values& all = set.inputs[static_cast<std::size_t>(i)];
    const auto bytes = bytes_of(all, Element::f32);
    data.emplace_back(bytes.size()).upload(bytes, gathered.stream);
    gathered.executor.bind_gathered(i, {data.back().data(), 7, order.data(), 5});
    Values& some = batch.inputs[static_cast<std::size_t>(i)];
    some.clear();
    const std::int64_t each = P::plan.inputs[i].shape.count();
    for (std::size_t n = 2; n < places.size(); ++n)
      some.insert(some.end(), all.begin() + places[n] * each, all.begin() + (places[n] + 1) * each);
  }
  gathered.executor.set_cursor(2);
  gathered.executor.run(3);
  fed.feed(batch);
  fed.executor.run(3);
  for (int o = 0; o < P::plan.outputs.size; ++o) CHECK(gathered.output(o, 3) == fed.output(o, 3));

  gathered.executor.upload_input(1, bytes_of(batch.inputs[1], Element::f32));
  CHECK_THROWS_WITH_AS(gathered.executor.run(3), doctest::Contains("has another order than one that the same kernel"),
                       Error);
}

TEST_CASE("only samples are gathered") {
  inlay::cuda::Stream stream;
  inlay::cuda::Executor<Training<SGD>> executor(stream);
  CHECK_THROWS_WITH_AS(executor.bind_gathered(2, {}),
                       "bind_gathered: input 2 of the program is not one of samples: use bind_input", Error);
}

TEST_CASE("what is not bound is named") {
  inlay::cuda::Stream stream;
  inlay::cuda::Executor<Evaluation> executor(stream);
  CHECK_THROWS_WITH_AS(executor.run(2), "run: input 0 of the program has not been bound", Error);
  CHECK_THROWS_WITH_AS(executor.run(0), "run: a batch of 0 samples; at least 1 is needed", Error);
  executor.queue(2);
  CHECK_THROWS_WITH_AS(executor.queue(2), "queue: a second run needs bind_sums", Error);
}
