// Model on a GPU: an epoch is a few graph launches, and gives the bits of its steps one at a time.
#include "../temporary_folder.hpp"

#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/dropout.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

using namespace inlay;

namespace {

constexpr int classes = 3;

/// Its steps differ in all that may differ: samples, masks, learning rate, Adam's corrections.
using Net = nn::Sequential<nn::Input<4, 4, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                           nn::Conv2D<2, 3, nn::Same, nn::Relu>, nn::Flatten, nn::Dropout<std::ratio<1, 4>>,
                           nn::Dense<classes>>;
using SmallModel = Model<Net, Adam, SparseCategoricalCrossentropy, Accuracy>;

SmallModel make_model() {
  return SmallModel(Adam{.learning_rate = CosineDecay{.initial_learning_rate = 0.02f, .decay_steps = 40}},
                    {.seed = 3, .device = inlay::Device::cuda, .threads = 1, .verbose = 0});
}

data::Dataset noise(int size, int side) {
  data::Dataset set{.height = side, .width = side, .channels = 1};
  set.classes = classes;
  const int pixels = side * side;
  for (int i = 0; i < size * pixels; ++i)
    set.images.push_back(static_cast<std::uint8_t>(philox(1, 2, static_cast<std::uint64_t>(i)).word[0]));
  for (int n = 0; n < size; ++n) set.labels.push_back(n % classes);
  return set;
}

FitOptions quiet(int epochs, int batch_size) {
  return {.epochs = epochs, .batch_size = batch_size, .seed = 5, .verbose = 0};
}

const Callback every_batch = on_train_batch_end([](int, const Logs&) {});

/// Gives a variable of the emulated device a value, and the old one back at the end of the block.
template <class T>
class Temporarily {
 public:
  Temporarily(T& of, T value) : variable(of), before(std::exchange(of, value)) {}
  ~Temporarily() { variable = before; }
  Temporarily(const Temporarily&) = delete;
  Temporarily& operator=(const Temporarily&) = delete;

 private:
  T& variable;
  T before;
};

}  // namespace

#if defined(INLAY_CUDA_EMULATOR)

TEST_CASE("a batch that does not fit into the GPU's memory is refused with how many samples would, which then train") {
  auto& emulated = inlay::cuda::emulator::device();
  SmallModel model = make_model();
  const data::Dataset set = noise(4000, 4);
  model.fit(noise(8, 4), quiet(1, 8));
  const Temporarily little(emulated.memory, emulated.used + 400 * 1024);
  std::string message;
  try {
    model.fit(set, quiet(1, 4000));
  } catch (const Error& error) {
    message = error.what();
  }
  CAPTURE(message);
  CHECK(message.find("the values of a batch") != std::string::npos);
  const std::size_t about = message.find("About ");
  REQUIRE(about != std::string::npos);
  const int fitting = std::atoi(message.c_str() + about + 6);
  CHECK(fitting > 8);
  CHECK(fitting < 4000);
  CHECK_NOTHROW(model.fit(set, quiet(1, fitting / 2)));
}

TEST_CASE("when the GPU is lost, training and saving say so, and the last saved weights are intact") {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "weights.safetensors";
  SmallModel model = make_model();
  const data::Dataset set = noise(16, 4);
  model.fit(set, quiet(1, 8));
  model.save(path);
  const std::vector<Weight> saved = model.get_weights();
  {
    const Temporarily lost(inlay::cuda::emulator::device().lost, inlay::cuda::cudaErrorECCUncorrectable);
    const char* const words = "cudaErrorECCUncorrectable";
    CHECK_THROWS_WITH_AS(model.fit(set, quiet(1, 8)), doctest::Contains(words), Error);
    CHECK_THROWS_WITH_AS(model.save(path), doctest::Contains("What was saved last is intact"), Error);
  }
  SmallModel next = make_model();
  next.load(path);
  const std::vector<Weight> loaded = next.get_weights();
  REQUIRE(loaded.size() == saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i) CHECK(loaded[i].values == saved[i].values);
}

#endif

TEST_CASE("an epoch on the GPU gives the bits of its steps one at a time, in the order of data::Shuffle") {
  const data::Dataset set = noise(91, 4);  // 11 batches of 8, and 3
  SmallModel silent = make_model(), reporting = make_model(), by_hand = make_model();
  FitOptions options = quiet(2, 8);
  const History history = silent.fit(set, options);
  options.callbacks = {every_batch};
  CHECK(reporting.fit(set, options).loss == history.loss);
  for (std::size_t epoch : {0u, 1u}) {
    const data::Shuffle order(options.seed, epoch, 91);
    double loss = 0;
    for (std::uint32_t first = 0; first < 91; first += 8) {
      std::vector<std::uint8_t> images;
      std::vector<int> labels;
      for (std::uint32_t n = first; n < std::min(first + 8, 91u); ++n) {
        const auto sample = set.images.begin() + 16 * std::int64_t{order(n)};
        images.insert(images.end(), sample, sample + 16);
        labels.push_back(set.labels[order(n)]);
      }
      loss += by_hand.train_on_batch(images, labels).loss * static_cast<double>(labels.size());
    }
    CHECK(history.loss[epoch] == doctest::Approx(loss / 91).epsilon(1e-12));
  }
  CHECK(silent.get_weights() == by_hand.get_weights());
  CHECK(reporting.get_weights() == by_hand.get_weights());
}

TEST_CASE("a model that was moved trains on") {
  const data::Dataset set = noise(20, 4);
  SmallModel model = make_model(), untouched = make_model();
  model.fit(set, quiet(1, 8));
  untouched.fit(set, quiet(1, 8));
  SmallModel moved = std::move(model);
  CHECK(moved.fit(set, quiet(1, 8)).loss == untouched.fit(set, quiet(1, 8)).loss);
  CHECK(moved.get_weights() == untouched.get_weights());
}

TEST_CASE("an epoch of more steps than the device's table holds is cut") {
  using Tiny = nn::Sequential<nn::Input<2, 2, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>, nn::Flatten,
                              nn::Dense<classes>>;
  auto trained = [](const std::vector<Callback>& callbacks) {
    auto model = compile<Tiny>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{},
                               {.device = inlay::Device::cuda, .verbose = 0});
    FitOptions options = quiet(1, 1);
    options.callbacks = callbacks;
    model.fit(noise(2000, 2), options);
    return model.get_weights();
  };
  const std::vector<Weight> weights = trained({});
  CHECK(weights == trained({every_batch}));
  CHECK(std::isfinite(weights[0].values[0]));
}

TEST_CASE("a loss that is not finite ends fit with the weights of the last whole epoch, on the GPU too") {
  SmallModel model = make_model();
  std::vector<Weight> after_epoch;
  FitOptions options = quiet(3, 8);
  options.callbacks = {on_epoch_end([&](int, const Logs&) {
    after_epoch = model.get_weights();
    model.optimizer.learning_rate = 3e38f;
  })};
  CHECK_THROWS_AS(model.fit(noise(40, 4), options), Error);
  CHECK_FALSE(after_epoch.empty());
  CHECK(model.get_weights() == after_epoch);
}

#if defined(INLAY_CUDA_EMULATOR)

TEST_CASE("an epoch uploads a table of numbers, launches a few graphs and waits once") {
  SmallModel model = make_model();
  std::vector<inlay::cuda::emulator::Calls> calls;
  FitOptions options = quiet(3, 8);
  options.callbacks = {on_epoch_begin([&](int) { calls.push_back(inlay::cuda::emulator::device().calls); })};
  model.fit(noise(91, 4), options);
  REQUIRE(calls.size() == 3);
  CHECK(calls[2].uploads - calls[1].uploads == 1);
  CHECK(calls[2].graph_launches - calls[1].graph_launches == 4);  // 8 + 2 + 1 batches of 8, and one of 3
  CHECK(calls[2].graphs_made - calls[1].graphs_made == 0);
  CHECK(calls[2].downloads - calls[1].downloads == 1);
  CHECK(calls[2].waits - calls[1].waits == 1);
}

#endif
