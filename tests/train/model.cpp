// Model: what fit, evaluate, predict, save and load promise, on a small copy of the seed network; and the figures of
// fixtures/seed_small.txt, which PyTorch computed in double precision.
#include "../cpu/winograd_growth.hpp"
#include "../support/allocations.hpp"
#include "../support/program_run.hpp"
#include "../support/tensor_file.hpp"
#include "../temporary_folder.hpp"

#include <inlay/nn/activations.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/dropout.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/random_flip.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/best_checkpoint.hpp>
#include <inlay/train/early_stopping.hpp>
#include <inlay/train/model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

using namespace inlay;
using inlay::testing::message_of;
using inlay::testing::TemporaryFolder;

namespace {

/// The network of fixtures/seed_small.txt.
using Net = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                           nn::Conv2D<4, 3, nn::Same, nn::Relu>, nn::Conv2D<6, 3, nn::Same, nn::Relu>,
                           nn::MaxPooling2D<2>, nn::Flatten, nn::Dense<5, nn::Relu>, nn::Dense<3>>;
using SmallModel = Model<Net, Adam, SparseCategoricalCrossentropy, Accuracy>;
constexpr int pixels = 64, classes = 3;

SmallModel make_model(std::uint64_t seed = 1, float learning_rate = 0.01f) {
  return SmallModel(Adam{.learning_rate = learning_rate},
                    {.seed = seed, .device = Device::cpu, .threads = 2, .verbose = 0});
}

/// Noise with a bright band, whose place is the label.
data::Dataset bands(int size, unsigned seed = 1) {
  std::mt19937 random(seed);
  data::Dataset set{.height = 8, .width = 8, .channels = 1};
  set.classes = classes;
  for (int n = 0; n < size; ++n) {
    const int label = static_cast<int>(random() % classes);
    for (int i = 0; i < pixels; ++i)
      set.images.push_back(static_cast<std::uint8_t>(random() % 96 + (i / 8 / 3 == label ? 140 : 0)));
    set.labels.push_back(label);
  }
  return set;
}

std::span<const std::uint8_t> images(const data::Dataset& set, int first, int count) {
  return {set.images.data() + std::ptrdiff_t{first} * pixels, static_cast<std::size_t>(count * pixels)};
}
std::span<const int> labels(const data::Dataset& set, int first, int count) {
  return {set.labels.data() + first, static_cast<std::size_t>(count)};
}
Logs train_on(SmallModel& model, const data::Dataset& set, int first, int count) {
  return model.train_on_batch(images(set, first, count), labels(set, first, count));
}

FitOptions quiet(int epochs = 1, int batch_size = 16) {
  return {.epochs = epochs, .batch_size = batch_size, .verbose = 0};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool finite(const std::vector<Weight>& weights) {
  return std::ranges::all_of(
      weights, [](const Weight& w) { return std::ranges::all_of(w.values, [](float v) { return std::isfinite(v); }); });
}

/// Mean cross-entropy and accuracy of logits, in double.
Logs scores(const std::vector<float>& logits, const std::vector<int>& expected) {
  double loss = 0, right = 0;
  for (std::size_t n = 0; n < expected.size(); ++n) {
    const float* row = logits.data() + n * classes;
    const double largest = *std::max_element(row, row + classes);
    double sum = 0;
    for (int k = 0; k < classes; ++k) sum += std::exp(row[k] - largest);
    loss += std::log(sum) + largest - row[expected[n]];
    right += std::max_element(row, row + classes) - row == expected[n];
  }
  const double size = static_cast<double>(expected.size());
  return {.loss = loss / size, .accuracy = right / size};
}

/// fixtures/seed_small.txt: what PyTorch computed in double precision, and the same batch for Inlay.
struct Fixture {
  test::Tensors tensors = test::read_fixture("seed_small.txt");
  std::vector<std::uint8_t> images{};
  std::vector<int> labels{};
  inline static const std::string names[] = {"conv2d/kernel", "conv2d/bias", "conv2d_1/kernel", "conv2d_1/bias",
                                             "dense/kernel",  "dense/bias",  "dense_1/kernel",  "dense_1/bias"};

  Fixture() {
    for (double pixel : at("images")) images.push_back(static_cast<std::uint8_t>(pixel));
    for (double label : at("labels")) labels.push_back(static_cast<int>(label));
  }
  const std::vector<double>& at(const std::string& name) const { return tensors.at(name); }
  /// The eight weights, `when` being initial, gradient, after_1 or after_3.
  std::vector<reference::Values> weights(const std::string& when) const {
    std::vector<reference::Values> all;
    for (const std::string& name : names) all.push_back(at(when + "/" + name));
    return all;
  }
  int samples() const { return static_cast<int>(labels.size()); }
};

/// The same steps in the reference: weights, and Adam's m and v, after `steps` steps.
struct ReferenceSteps {
  using Training = TrainingGraph<Net, Adam, SparseCategoricalCrossentropy, Accuracy>;
  Graph graph = Training::make();
  std::vector<reference::Values> parameters, inputs;
  int samples, steps = 0;

  explicit ReferenceSteps(const Fixture& fixture) : parameters(fixture.weights("initial")), samples(fixture.samples()) {
    for (int i = 8; i < graph.parameters.size; ++i)
      parameters.emplace_back(static_cast<std::size_t>(graph.parameters[i].shape.count()), 0.0);
    inputs = {scaled(fixture.at("images")), fixture.at("labels"), {0}, {0}, {1 - 0.9}, {1 - 0.999}, {1e-7}};
  }
  /// Images such that the network's float 1/255 makes of them what PyTorch's double makes.
  static reference::Values scaled(reference::Values images) {
    for (double& x : images) x *= 1.0 / 255 / static_cast<double>(static_cast<float>(1.0 / 255));
    return images;
  }

  /// One step; returns the mean loss before it.
  double step() {
    ++steps;
    inputs[3][0] = 1e-3 * std::sqrt(1 - std::pow(0.999, steps)) / (1 - std::pow(0.9, steps));
    const reference::Result result = reference::evaluate(graph, samples, inputs, parameters);
    parameters = result.updated;
    return result.outputs[0][0] / samples;
  }
  const reference::Values& m(std::size_t weight) const { return parameters[8 + 2 * weight]; }
  const reference::Values& v(std::size_t weight) const { return parameters[9 + 2 * weight]; }
};

double largest_difference(const reference::Values& a, const reference::Values& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("fit lowers the loss and raises the accuracy") {
  SmallModel model = make_model();
  const History history = model.fit(bands(100), quiet(8));
  CAPTURE(history.loss.front());
  CAPTURE(history.loss.back());
  CAPTURE(history.accuracy.back());
  CHECK(history.epoch == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(history.loss.back() < 0.5 * history.loss.front());
  CHECK(history.accuracy.back() > 0.9);
  CHECK(history.val_loss.empty());
}

TEST_CASE("the same seed gives bit-identical weights, another seed other ones") {
  const data::Dataset set = bands(50);  // 16 + 16 + 16 + 2
  auto trained = [&](std::uint64_t initial, std::uint64_t order) {
    SmallModel model = make_model(initial);
    FitOptions options = quiet(2);
    options.seed = order;
    model.fit(set, options);
    return model.get_weights();
  };
  const std::vector<Weight> weights = trained(1, 1);
  CHECK(trained(1, 1) == weights);
  CHECK_FALSE(trained(2, 1) == weights);
  CHECK_FALSE(trained(1, 2) == weights);
}

TEST_CASE("the order of samples changes with the epoch when shuffled, and only then") {
  const data::Dataset set = bands(40);
  for (bool shuffle : {true, false}) {
    CAPTURE(shuffle);
    SmallModel model = make_model(1, 0);  // it learns nothing, so a batch's loss tells which samples were in it
    std::vector<double> first_batch;
    FitOptions options = quiet(2, 8);
    options.shuffle = shuffle;
    options.callbacks = {on_train_batch_end([&](int batch, const Logs& logs) {
      if (batch == 0) first_batch.push_back(logs.loss);
    })};
    model.fit(set, options);
    REQUIRE(first_batch.size() == 2);
    CHECK((first_batch[0] != first_batch[1]) == shuffle);
  }
}

TEST_CASE("the last batch of an epoch may be short, and every sample counts once in the logs") {
  const data::Dataset set = bands(21);
  SmallModel model = make_model(1, 0);
  const Logs expected = scores(model.predict(set.images), set.labels);
  for (int batch_size : {1, 8, 20, 21, 50}) {
    CAPTURE(batch_size);
    const History history = model.fit(set, quiet(1, batch_size));
    CHECK(history.loss[0] == doctest::Approx(expected.loss).epsilon(1e-6));
    CHECK(history.accuracy[0] == doctest::Approx(expected.accuracy));
  }
}

TEST_CASE("fit without shuffling is train_on_batch on consecutive batches, bit for bit") {
  const data::Dataset set = bands(19);
  SmallModel fitted = make_model(), by_hand = make_model();
  FitOptions options = quiet(1, 8);
  options.shuffle = false;
  fitted.fit(set, options);
  for (int first : {0, 8, 16}) train_on(by_hand, set, first, std::min(8, 19 - first));
  CHECK(fitted.get_weights() == by_hand.get_weights());
}

TEST_CASE("fit takes the samples in the order of data::Shuffle, bit for bit, whether or not batches are reported") {
  const data::Dataset set = bands(19);
  SmallModel silent = make_model(), reporting = make_model(), by_hand = make_model();
  FitOptions options = quiet(2, 8);
  options.seed = 5;
  silent.fit(set, options);
  for (std::uint64_t epoch : {0u, 1u}) {
    const data::Shuffle order(options.seed, epoch, 19);
    data::Dataset shuffled;
    for (std::uint32_t n = 0; n < 19; ++n) {
      const auto sample = images(set, static_cast<int>(order(n)), 1);
      shuffled.images.insert(shuffled.images.end(), sample.begin(), sample.end());
      shuffled.labels.push_back(set.labels[order(n)]);
    }
    for (int first : {0, 8, 16}) train_on(by_hand, shuffled, first, std::min(8, 19 - first));
  }
  options.callbacks = {on_train_batch_end([](int, const Logs&) {})};
  reporting.fit(set, options);
  CHECK(silent.get_weights() == by_hand.get_weights());
  CHECK(reporting.get_weights() == by_hand.get_weights());
}

TEST_CASE("train_on_batch takes any number of samples and reports the loss before the step") {
  const data::Dataset set = bands(70);
  SmallModel model = make_model();
  for (int count : {3, 1, 70, 2}) {
    CAPTURE(count);
    const Logs before = scores(model.predict(images(set, 0, count)), {set.labels.begin(), set.labels.begin() + count});
    const Logs logs = train_on(model, set, 0, count);
    CHECK(logs.loss == doctest::Approx(before.loss).epsilon(1e-6));
    CHECK(logs.accuracy == doctest::Approx(before.accuracy));
  }
}

TEST_CASE("predict gives the same for a sample alone and among any number of others") {
  const data::Dataset set = bands(300);  // more than predict's own batch of 256
  SmallModel model = make_model();
  CHECK(model.predict({}).empty());
  const std::vector<float> all = model.predict(set.images);
  REQUIRE(all.size() == 300 * classes);
  std::vector<float> alone;
  for (int n = 0; n < set.size(); ++n)
    for (float y : model.predict(images(set, n, 1))) alone.push_back(y);
  CHECK(alone == all);
  const std::vector<float> few = model.predict(images(set, 0, 7));
  CHECK(few == std::vector<float>(all.begin(), all.begin() + 7 * classes));
}

TEST_CASE("predict into the caller's memory gives the same, and allocates nothing") {
  const data::Dataset set = bands(300);
  SmallModel model = make_model();
  const std::vector<float> all = model.predict(set.images);
  std::vector<float> y(all.size());
  const int before = test::allocations;
  model.predict(set.images, y);
  model.predict(images(set, 2, 1), std::span(y).first(classes));
  CHECK(test::allocations == before);
  CHECK(std::equal(y.begin() + classes, y.end(), all.begin() + classes));
  CHECK(std::equal(y.begin(), y.begin() + classes, all.begin() + 2 * classes));
  CHECK(has(message_of<Error>([&] { model.predict(images(set, 0, 2), std::span(y).first(5)); }),
            "there is room for 5 outputs, expected is room for 6, 3 for each sample"));
}

TEST_CASE("evaluate is the loss and accuracy of what predict gives, and changes nothing") {
  const data::Dataset set = bands(300);
  SmallModel model = make_model();
  model.fit(bands(40, 2), quiet());
  const std::vector<Weight> before = model.get_weights();
  const Logs expected = scores(model.predict(set.images), set.labels);
  for (int time = 0; time < 2; ++time) {
    const Logs logs = model.evaluate(set);
    CHECK(logs.loss == doctest::Approx(expected.loss).epsilon(1e-6));
    CHECK(logs.accuracy == doctest::Approx(expected.accuracy));
  }
  CHECK(model.get_weights() == before);
}

TEST_CASE("weights are in the order of the layers, with Keras' layouts, and survive a round trip") {
  SmallModel model = make_model(1), other = make_model(2);
  const std::vector<Weight> weights = model.get_weights();
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> expected = {
      {"2.conv2d.kernel", {3, 3, 1, 4}}, {"2.conv2d.bias", {4}},
      {"3.conv2d.kernel", {3, 3, 4, 6}}, {"3.conv2d.bias", {6}},
      {"6.dense.kernel", {96, 5}},       {"6.dense.bias", {5}},
      {"7.dense.kernel", {5, 3}},        {"7.dense.bias", {3}}};
  REQUIRE(weights.size() == expected.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    CHECK(weights[i].name == expected[i].first);
    CHECK(weights[i].shape == expected[i].second);
  }
  const data::Dataset set = bands(4);
  CHECK_FALSE(other.predict(set.images) == model.predict(set.images));
  other.set_weights(weights);
  CHECK(other.get_weights() == weights);
  CHECK(other.predict(set.images) == model.predict(set.images));
}

TEST_CASE("set_weights names every difference at once and changes nothing") {
  SmallModel model = make_model();
  const std::vector<Weight> before = model.get_weights();
  std::vector<Weight> wrong = before;
  wrong[0].values[0] = 99;  // right, but must not arrive
  wrong[1].name = "bias";
  wrong[2].shape = {3, 3, 6, 4};
  wrong[4].values.pop_back();
  wrong.pop_back();
  const std::string message = message_of<Error>([&] { model.set_weights(wrong); });
  CAPTURE(message);
  CHECK(has(message, "expected are 8 weights, given are 7"));
  CHECK(has(message, "expected 2.conv2d.bias, found bias"));
  CHECK(has(message, "3.conv2d.kernel has shape (3, 3, 4, 6), found (3, 3, 6, 4)"));
  CHECK(has(message, "6.dense.kernel should have 480 values, found 479"));
  CHECK(has(message, "7.dense.bias is missing"));
  CHECK(model.get_weights() == before);

  wrong = before;
  wrong.push_back({"8.dense.kernel", {1}, {1}});
  CHECK(has(message_of<Error>([&] { model.set_weights(wrong); }), "8.dense.kernel is not in the network"));
  CHECK(model.get_weights() == before);
}

TEST_CASE("a layer's weights are read and replaced by its name or its index") {
  SmallModel model = make_model(1), other = make_model(2);
  const std::vector<Weight> all = model.get_weights();
  const std::vector<Weight> second{all[2], all[3]};
  CHECK(model.layer<"3.conv2d">().get_weights() == second);
  CHECK(model.layer<3>().get_weights() == second);
  CHECK(model.layer<"5.flatten">().get_weights().empty());
  CHECK(model.layer<0>().get_weights().empty());

  std::vector<Weight> expected = other.get_weights();
  expected[2] = all[2];
  expected[3] = all[3];
  other.layer<"3.conv2d">().set_weights(second);
  CHECK(other.get_weights() == expected);
  const std::string message = message_of<Error>([&] { other.layer<7>().set_weights(second); });
  CAPTURE(message);
  CHECK(has(message, "set_weights: these are not the weights of layer 7"));
  CHECK(has(message, "expected 7.dense.kernel, found 3.conv2d.kernel"));
  CHECK(other.get_weights() == expected);
}

TEST_CASE("a layer that holds others has all their weights, and each is reached by its path") {
  using Nested = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Flatten,
                                nn::Residual<nn::Dense<8>, nn::Dense<64>>, nn::Dense<3>>;
  auto model = compile<Nested>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{}, {.threads = 1, .verbose = 0});
  const std::vector<Weight> all = model.get_weights();
  CHECK(model.layer<"2.residual">().get_weights() == std::vector<Weight>{all[0], all[1], all[2], all[3]});
  CHECK(model.layer<2>().get_weights().size() == 4);
  CHECK(model.layer<"2.1.dense">().get_weights() == std::vector<Weight>{all[2], all[3]});
}

TEST_CASE("a layer that is not there is refused with the names of those that are") {
  SmallModel model = make_model();
  const std::string message = message_of<Error>([&] { model.layer<"3.conv">(); });
  CAPTURE(message);
  CHECK(has(message, "no layer \"3.conv\""));
  CHECK(has(message, "0.input, 1.rescaling, 2.conv2d, 3.conv2d, 4.max_pooling2d, 5.flatten, 6.dense, 7.dense"));
}

TEST_CASE("training goes on after save and load with the bits of training without interruption") {
  TemporaryFolder folder;
  const data::Dataset set = bands(32);
  SmallModel whole = make_model(1);
  train_on(whole, set, 0, 16);
  train_on(whole, set, 16, 16);
  whole.save(folder / "model.safetensors");
  train_on(whole, set, 0, 16);

  SmallModel resumed = make_model(2);
  train_on(resumed, set, 5, 3);
  resumed.load(folder / "model.safetensors");
  train_on(resumed, set, 0, 16);
  CHECK(resumed.get_weights() == whole.get_weights());
}

TEST_CASE("load_weights takes the weights of a checkpoint of another optimiser, and no others") {
  TemporaryFolder folder;
  const std::string file = folder / "model.safetensors";
  SmallModel trained = make_model(2);
  train_on(trained, bands(8), 0, 8);
  trained.save(file);
  Model<Net, SGD, SparseCategoricalCrossentropy, Accuracy> model({.momentum = 0.9f}, {.threads = 1, .verbose = 0});
  CHECK(has(message_of<Error>([&] { model.load(file); }), "load_weights takes the weights alone"));
  model.load_weights(file);
  CHECK(model.get_weights() == trained.get_weights());

  Checkpoint other = load_safetensors(file);
  other.weights[0].name = "0.other.kernel";
  save_safetensors(file, other);
  const std::string message = message_of<Error>([&] { model.load_weights(file); });
  CHECK(has(message, "does not hold the weights of this network"));
  CHECK(has(message, " is missing"));
  CHECK(has(message, "0.other.kernel is not in the network"));
  CHECK(model.get_weights() == trained.get_weights());
}

TEST_CASE("load refuses what is not a checkpoint of this network, and changes nothing") {
  TemporaryFolder folder;
  const std::string file = folder / "model.safetensors";
  make_model(2).save(file);
  const std::string good = inlay::testing::read_file(file);
  SmallModel model = make_model(1);
  const std::vector<Weight> before = model.get_weights();
  auto refusal = [&] { return message_of<Error>([&] { model.load(file); }); };

  SUBCASE("a file that is not there") {
    CHECK(has(message_of<Error>([&] { model.load(folder / "none.safetensors"); }), "none.safetensors"));
  }
  SUBCASE("a truncated file") {
    for (std::size_t size : {std::size_t{0}, std::size_t{5}, good.size() / 2, good.size() - 1}) {
      inlay::testing::write_file(file, good.substr(0, size));
      CAPTURE(size);
      CHECK(has(refusal(), "model.safetensors"));
    }
  }
  SUBCASE("another network and optimiser") {
    using Other =
        nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Flatten, nn::Rescaling<std::ratio<1, 255>>, nn::Dense<3>>;
    Model<Other, SGD, SparseCategoricalCrossentropy, Accuracy>({}, {.device = Device::cpu, .threads = 1, .verbose = 0})
        .save(file);
    const std::string message = refusal();
    CAPTURE(message);
    CHECK(has(message, "is not a checkpoint of this network"));
    CHECK(has(message, "fingerprint"));
    CHECK(has(message, "6.dense.kernel.adam_v is missing"));
    CHECK(has(message, "3.dense.kernel is not in the network"));
  }
  SUBCASE("another name, shape, and a fingerprint that is missing") {
    Checkpoint checkpoint = load_safetensors(file);
    checkpoint.metadata.erase("inlay.network");
    for (Weight& w : checkpoint.weights) {
      if (w.name == "2.conv2d.bias") w.name = "2.conv2d.offset";
      if (w.name == "7.dense.kernel") w.shape = {3, 5};
    }
    save_safetensors(file, checkpoint);
    const std::string message = refusal();
    CAPTURE(message);
    CHECK(has(message, "the file's is missing"));
    CHECK(has(message, "2.conv2d.bias is missing"));
    CHECK(has(message, "2.conv2d.offset is not in the network"));
    CHECK(has(message, "7.dense.kernel has shape (5, 3), found (3, 5)"));
    CHECK(std::ranges::count(message, '\n') == 4);  // and nothing else
  }
  CHECK(model.get_weights() == before);
}

TEST_CASE("a loss that is not finite stops fit with the state from before the epoch") {
  const data::Dataset set = bands(40);
  SmallModel model = make_model(), untouched = make_model();
  model.fit(set, quiet());
  untouched.fit(set, quiet());
  const std::vector<Weight> before = model.get_weights();
  model.optimizer.learning_rate = 1e30f;
  const std::string message = message_of<Error>([&] { model.fit(set, quiet(3)); });
  CAPTURE(message);
  CHECK(has(message, "not finite"));
  CHECK(has(message, "epoch 1"));
  CHECK(has(message, "lower the learning_rate"));
  CHECK(finite(model.get_weights()));
  CHECK(model.get_weights() == before);

  model.optimizer.learning_rate = untouched.optimizer.learning_rate;
  model.fit(set, quiet());
  untouched.fit(set, quiet());
  CHECK(model.get_weights() == untouched.get_weights());  // the optimiser's state was restored, too
}

TEST_CASE("a single sample is refused where batch normalisation would take the variance of one value") {
  using Normalised = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>, nn::Flatten,
                                    nn::Dense<4>, nn::BatchNormalization<nn::Relu>, nn::Dense<3>>;
  auto model = compile<Normalised>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{}, {.threads = 1, .verbose = 0});
  const std::vector<Weight> before = model.get_weights();
  const data::Dataset set = bands(17);
  int called = 0;
  auto refusal = [&](FitOptions options) {
    options.callbacks = {on_train_begin([&] { ++called; })};
    return message_of<Error>([&] { model.fit(set, options); });
  };
  CHECK(has(refusal(quiet(1, 16)),
            "fit: the last batch of an epoch has 1 of the at least 2 samples that "
            "4.batch_normalization.moving_variance needs in a training step; choose another batch_size"));
  CHECK(has(refusal(quiet(1, 1)), "fit: a batch has 1"));
  CHECK(has(message_of<Error>([&] { model.train_on_batch(images(set, 0, 1), labels(set, 0, 1)); }),
            "train_on_batch: the batch has 1"));
  CHECK(called == 0);
  CHECK(model.get_weights() == before);
  CHECK(refusal(quiet(1, 15)).empty());
  CHECK(refusal(quiet(1, 100)).empty());
  CHECK_FALSE(model.get_weights() == before);
  CHECK(model.predict(images(set, 0, 1)).size() == 3);  // inference takes any number
}

TEST_CASE("where there are pixels a single sample has a variance") {
  using Normalised =
      nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::BatchNormalization<>, nn::Flatten, nn::Dense<3>>;
  auto model = compile<Normalised>(SGD{}, SparseCategoricalCrossentropy{}, Accuracy{}, {.threads = 1, .verbose = 0});
  const data::Dataset set = bands(1);
  CHECK(std::isfinite(model.train_on_batch(set.images, set.labels).loss));
}

TEST_CASE("a schedule that throws leaves weights and step number as they were") {
  const data::Dataset set = bands(40);
  SmallModel model = make_model(), untouched = make_model();
  const LearningRate usual = model.optimizer.learning_rate;
  model.optimizer.learning_rate = [](std::int64_t step) { return step < 2 ? 0.01f : throw Error("no rate"); };
  CHECK_THROWS_AS(model.fit(set, quiet()), Error);
  CHECK(model.get_weights() == untouched.get_weights());
  model.optimizer.learning_rate = usual;
  model.fit(set, quiet());
  untouched.fit(set, quiet());
  CHECK(model.get_weights() == untouched.get_weights());
}

TEST_CASE("a train_on_batch whose loss is not finite changes nothing") {
  const data::Dataset set = bands(16);
  SmallModel model = make_model(), untouched = make_model();
  const std::vector<Weight> good = model.get_weights();
  std::vector<Weight> huge = good;
  for (Weight& w : huge)
    for (float& v : w.values) v *= 1e30f;
  model.set_weights(huge);
  CHECK_FALSE(std::isfinite(train_on(model, set, 0, 16).loss));
  CHECK(model.get_weights() == huge);

  model.set_weights(good);
  train_on(model, set, 0, 16);
  train_on(untouched, set, 0, 16);
  CHECK(model.get_weights() == untouched.get_weights());
}

TEST_CASE("input that does not fit is an error that says what to do") {
  SmallModel model = make_model();
  const std::vector<Weight> before = model.get_weights();
  const data::Dataset set = bands(8);
  auto fit_error = [&](const data::Dataset& with, FitOptions options = quiet()) {
    return message_of<Error>([&] { model.fit(with, options); });
  };

  CHECK(has(fit_error(set, quiet(1, 0)), "batch_size is 0, expected at least 1"));
  CHECK(has(fit_error(bands(0)), "the data set is empty"));
  CHECK(has(message_of<Error>([&] { model.evaluate(bands(0)); }), "the data set is empty"));

  data::Dataset labelled = set;
  labelled.labels[5] = 3;
  CHECK(has(fit_error(labelled), "the label of sample 5 is 3, but the network has 3 outputs; labels run from 0 to 2"));
  FitOptions validated = quiet();
  validated.validation_data = &labelled;
  CHECK(has(fit_error(set, validated), "validation_data: the label of sample 5 is 3"));
  labelled.labels[5] = -1;
  CHECK(has(message_of<Error>([&] { train_on(model, labelled, 0, 8); }), "the label of sample 5 is -1"));

  data::Dataset wide = set;
  wide.width = 4;
  wide.height = 16;
  CHECK(has(fit_error(wide), "images are (16, 4, 1), but the network takes (8, 8, 1)"));
  data::Dataset unlabelled = set;
  unlabelled.labels.pop_back();
  CHECK(has(fit_error(unlabelled), "7 labels need 448 elements, given are 512"));

  CHECK(has(message_of<Error>([&] { model.train_on_batch({}, {}); }), "the batch is empty"));
  CHECK(has(message_of<Error>([&] { model.train_on_batch(images(set, 0, 2), labels(set, 0, 3)); }),
            "3 labels need 192 elements, given are 128"));
  CHECK(has(message_of<Error>([&] { model.predict(std::span(set.images).first(65)); }), "65 elements are not a whole"));
  CHECK(model.get_weights() == before);
}

TEST_CASE("callbacks are called in order, and any of them can stop") {
  const data::Dataset set = bands(20);
  SmallModel model = make_model();
  std::string calls;
  FitOptions options = quiet(3, 8);
  options.callbacks = {on_train_begin([&] { calls += "begin "; }),
                       on_epoch_begin([&](int epoch) { calls += "epoch" + std::to_string(epoch) + " "; }),
                       on_train_batch_end([&](int batch, const Logs&) { calls += std::to_string(batch) + " "; }),
                       on_epoch_end([&](int, const Logs&) { calls += "end "; }),
                       on_epoch_end([&](int epoch, const Logs&) {
                         calls += "last ";
                         return epoch == 1 ? Next::stop : Next::proceed;
                       }),
                       on_train_end([&](const Logs&) { calls += "done"; })};
  const History history = model.fit(set, options);
  CHECK(calls == "begin epoch0 0 1 2 end last epoch1 0 1 2 end last done");
  CHECK(history.epoch == std::vector<int>{0, 1});
}

TEST_CASE("a callback can stop within an epoch, which then ends with what was seen") {
  SmallModel model = make_model();
  int batches = 0;
  FitOptions options = quiet(3, 8);
  options.callbacks = {on_train_batch_end([&](int batch, const Logs&) {
    ++batches;
    return batch == 1 ? Next::stop : Next::proceed;
  })};
  const History history = model.fit(bands(40), options);
  CHECK(batches == 2);
  CHECK(history.epoch == std::vector<int>{0});
  CHECK(std::isfinite(history.loss.at(0)));
}

TEST_CASE("BestCheckpoint's file holds the model as it was after the best epoch") {
  TemporaryFolder folder;
  const data::Dataset set = bands(40), validation = bands(30, 2);
  SmallModel model = make_model();
  BestCheckpoint checkpoint{folder / "best.safetensors"};
  std::vector<std::vector<Weight>> after;
  FitOptions options = quiet(5);
  options.validation_data = &validation;
  options.callbacks = {&checkpoint, on_epoch_begin([&](int epoch) {
                         if (epoch == 3) model.optimizer.learning_rate = 1;  // from here on it gets worse
                       }),
                       on_epoch_end([&](int, const Logs&) { after.push_back(model.get_weights()); })};
  const History history = model.fit(set, options);
  const auto best = std::ranges::min_element(history.val_loss);
  CHECK(checkpoint.best == *best);
  CHECK(checkpoint.best_epoch == best - history.val_loss.begin());
  REQUIRE(checkpoint.best_epoch < 4);
  SmallModel loaded = make_model(2);
  loaded.load(folder / "best.safetensors");
  CHECK(loaded.get_weights() == after[static_cast<std::size_t>(checkpoint.best_epoch)]);
  CHECK(loaded.evaluate(validation).loss == *best);
}

TEST_CASE("label smoothing is part of the loss, in training and evaluation, and may change between steps") {
  const data::Dataset set = bands(12);
  SmallModel model = make_model();
  const std::vector<float> logits = model.predict(set.images);
  double expected = 0;
  for (std::size_t n = 0; n < 12; ++n)
    for (int k = 0; k < classes; ++k) {
      const double share = 0.25 / classes + (set.labels[n] == k ? 0.75 : 0);
      expected += share * scores({logits.begin() + 3 * n, logits.begin() + 3 * n + 3}, {k}).loss / 12;
    }
  const double plain = model.evaluate(set).loss;
  model.loss.label_smoothing = 0.25f;
  CHECK(model.evaluate(set).loss == doctest::Approx(expected).epsilon(1e-6));
  CHECK(train_on(model, set, 0, 12).loss == doctest::Approx(expected).epsilon(1e-6));
  CHECK(std::fabs(plain - expected) > 1e-3);
  CHECK(has(message_of<Error>([&] {
              compile<Net>(Adam{}, SparseCategoricalCrossentropy{.label_smoothing = 1.5f}, Accuracy{}, {.verbose = 0});
            }),
            "label_smoothing 1.5"));
}

TEST_CASE("EarlyStopping ends a fit that no longer improves, and validation_data fills the val_ columns") {
  const data::Dataset set = bands(30), test = bands(20, 9);
  SmallModel model = make_model(1, 0);  // it never improves
  EarlyStopping stopping{.patience = 2};
  FitOptions options = quiet(10);
  options.validation_data = &test;
  options.callbacks = {&stopping};
  const History history = model.fit(set, options);
  CHECK(history.epoch == std::vector<int>{0, 1, 2});
  CHECK(stopping.best_epoch == 0);
  CHECK(stopping.stopped_epoch == 2);
  const Logs expected = model.evaluate(test);
  CHECK(history.val_loss == std::vector<double>(3, expected.loss));
  CHECK(history.val_accuracy == std::vector<double>(3, expected.accuracy));
  CHECK(history["val_loss"].size() == 3);
}

TEST_CASE("a batch_size beyond the data set makes one batch of it") {
  const data::Dataset set = bands(30);
  SmallModel model = make_model(), whole = make_model();
  FitOptions options = quiet();
  options.batch_size = 30;
  whole.fit(set, options);
  options.batch_size = std::numeric_limits<int>::max();
  CHECK(model.fit(set, options).loss.size() == static_cast<std::size_t>(options.epochs));
  CHECK(model.get_weights() == whole.get_weights());
}

TEST_CASE(
    "a callback that trains the model that it is called for gets an error, and the model can be trained after it") {
  const data::Dataset set = bands(16);
  SmallModel model = make_model();
  struct Trains {
    SmallModel* model;
    const data::Dataset* set;
    void on_train_batch_end(int, const Logs&) { train_on(*model, *set, 0, 4); }
  };
  struct Fits {
    SmallModel* model;
    const data::Dataset* set;
    void on_epoch_begin(int) { model->fit(*set, quiet()); }
  };
  FitOptions options = quiet();
  options.callbacks = {Trains{&model, &set}};
  CHECK(has(message_of<Error>([&] { model.fit(set, options); }), "train_on_batch: the model is in the midst of fit"));
  options.callbacks = {Fits{&model, &set}};
  CHECK(has(message_of<Error>([&] { model.fit(set, options); }), "fit: the model is in the midst of fit"));
  CHECK(std::isfinite(model.fit(set, quiet()).loss.back()));
  CHECK(has(message_of<Error>([] { SmallModel(Adam{}, {.threads = -3, .verbose = 0}); }), "threads is -3"));
}

TEST_CASE("no epochs is a fit that changes nothing") {
  SmallModel model = make_model();
  const std::vector<Weight> before = model.get_weights();
  CHECK(model.fit(bands(4), quiet(0)).epoch.empty());
  CHECK(model.get_weights() == before);
}

TEST_CASE("summary is Keras' table of layers, shapes and parameters, with the totals") {
  CHECK(nn::summary<Net>() ==
        " Layer (type)                     Output Shape                    Param #\n"
        "--------------------------------------------------------------------------\n"
        " 0.input (Input)                  (None, 8, 8, 1)                       0\n"
        " 1.rescaling (Rescaling)          (None, 8, 8, 1)                       0\n"
        " 2.conv2d (Conv2D)                (None, 8, 8, 4)                      40\n"
        " 3.conv2d (Conv2D)                (None, 8, 8, 6)                     222\n"
        " 4.max_pooling2d (MaxPooling2D)   (None, 4, 4, 6)                       0\n"
        " 5.flatten (Flatten)              (None, 96)                            0\n"
        " 6.dense (Dense)                  (None, 5)                           485\n"
        " 7.dense (Dense)                  (None, 3)                            18\n"
        "--------------------------------------------------------------------------\n"
        " Total params: 765 (2.99 KB)\n"
        " Trainable params: 765 (2.99 KB)\n"
        " Non-trainable params: 0 (0.00 B)\n");
}

// Both compute in double, sums of at most 320 terms in another order: gamma_53(1000) = 1e-13 of magnitudes below 10. An
// Adam step multiplies the error of a gradient by up to rate / (|g| + 3e-6) < 1e3.
TEST_CASE("the reference gives PyTorch's logits, losses and Adam steps of the small seed network") {
  const Fixture fixture;
  const Graph inference = Inference<Net>::make();
  const auto logits = reference::evaluate(inference, fixture.samples(), {ReferenceSteps::scaled(fixture.at("images"))},
                                          fixture.weights("initial"));
  CHECK(largest_difference(logits.outputs[0], fixture.at("logits")) < 1e-12);

  ReferenceSteps steps(fixture);
  for (int t = 1; t <= 3; ++t) {
    CHECK(std::fabs(steps.step() - fixture.at("losses")[static_cast<std::size_t>(t - 1)]) < 1e-12);
    for (std::size_t w = 0; w < 8; ++w) {
      CAPTURE(t);
      CAPTURE(Fixture::names[w]);
      if (t == 1) {  // m is (1 - beta_1) g
        reference::Values gradient = steps.m(w);
        for (double& g : gradient) g /= 1 - 0.9;
        CHECK(largest_difference(gradient, fixture.weights("gradient")[w]) < 1e-12);
        CHECK(largest_difference(steps.parameters[w], fixture.weights("after_1")[w]) < 1e-10);
      }
      if (t == 3) CHECK(largest_difference(steps.parameters[w], fixture.weights("after_3")[w]) < 1e-10);
    }
  }
}

namespace {

// Bounds, with gamma(n) as in support/program_run.hpp. A logit goes through fewer than 200 roundings (scaling, sums of
// 9, 36, 96 and 5 products, biases): gamma(200) times itself computed on absolute values. Cross-entropy moves by no
// more than twice the logits' error.
//
// A gradient goes there, back and through a sum over 5 x 64 pixels: dg = gamma(700) times the largest of its tensor. An
// Adam step is u = rate M / (V + e) with M = |m| / (1 - beta_1^t), V = sqrt(v / (1 - beta_2^t)), e = epsilon /
// sqrt(1 - beta_2^t). As M and V each move by no more than dg (both are means, V a quadratic one),
//
//   |du| <= rate dg (1 / (V + e)) (1 + M / (V + e))
//
// and 1e-5 rate for beta_2 as a float, and 2 roundings of the weight. Where a ReLU keeps a gradient at 0, u is 0.
//
// Winograd's convolutions multiply the errors of logits and gradients by `growth`, relative to the largest, and their
// gradients are 0 only nearly, of which Adam makes some step.
template <Numerics Allowed>
void check_steps(double growth) {
  constexpr bool exact = Allowed == Numerics::exact;
  const Fixture fixture;
  Model<Net, Adam, SparseCategoricalCrossentropy, Accuracy, Precision::fp32, Allowed> model(
      Adam{.learning_rate = 1e-3f}, {.seed = 7, .device = Device::cpu, .threads = 2, .verbose = 0});
  std::vector<Weight> weights = model.get_weights();
  std::vector<reference::Values> magnitudes = fixture.weights("initial");
  for (std::size_t w = 0; w < weights.size(); ++w) {
    weights[w].values.assign(magnitudes[w].begin(), magnitudes[w].end());
    for (double& x : magnitudes[w]) x = std::fabs(x);
  }
  model.set_weights(weights);

  const std::vector<float> logits = model.predict(fixture.images);
  const auto magnitude =
      reference::evaluate(Inference<Net>::make(), fixture.samples(), {fixture.at("images")}, magnitudes).outputs[0];
  REQUIRE(logits.size() == magnitude.size());
  const double largest_logit = *std::max_element(magnitude.begin(), magnitude.end());
  double logit_bound = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double bound = test::gamma(200) * growth * (exact ? magnitude[i] : largest_logit);
    CHECK(std::fabs(logits[i] - fixture.at("logits")[i]) < bound);
    logit_bound = std::max(logit_bound, bound);
  }

  ReferenceSteps steps(fixture);
  std::vector<reference::Values> bounds = magnitudes;
  for (std::size_t w = 0; w < 8; ++w)
    for (double& b : bounds[w]) b *= 2 * test::gamma(1);
  for (int t = 1; t <= 3; ++t) {
    CAPTURE(t);
    const Logs logs = model.train_on_batch(fixture.images, fixture.labels);
    CHECK(std::fabs(logs.loss - fixture.at("losses")[static_cast<std::size_t>(t - 1)]) < 2 * logit_bound + 1e-6);
    steps.step();
    const double mean_m = 1 - std::pow(0.9, t), mean_v = 1 - std::pow(0.999, t);
    for (std::size_t w = 0; w < 8; ++w) {
      double largest = 0;
      for (double g : fixture.at("gradient/" + Fixture::names[w])) largest = std::max(largest, std::fabs(g));
      for (std::size_t i = 0; i < bounds[w].size(); ++i) {
        if (exact && steps.v(w)[i] == 0) continue;
        const double q = 1 / (std::sqrt(steps.v(w)[i] / mean_v) + 1e-7 / std::sqrt(mean_v));
        const double dg = test::gamma(700) * growth * largest;
        bounds[w][i] += 1e-3 * (dg * q * (1 + std::fabs(steps.m(w)[i]) / mean_m * q) + 1e-5);
      }
      if (t == 2) continue;  // the fixture has steps 1 and 3
      const reference::Values expected = fixture.weights(t == 1 ? "after_1" : "after_3")[w];
      const std::vector<float> got = model.get_weights()[w].values;
      double worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i)
        worst = std::max(worst, std::fabs(got[i] - expected[i]) / bounds[w][i]);
      CAPTURE(Fixture::names[w]);
      CHECK(worst <= 1);
    }
  }
}

}  // namespace

TEST_CASE("Model gives PyTorch's logits, loss and Adam steps of the small seed network") {
  check_steps<Numerics::exact>(1);
  check_steps<Numerics::fast>(test::winograd_growth());
}

namespace {

using RandomNet = nn::Sequential<nn::Input<8, 8, 1, std::uint8_t>, nn::RandomFlip, nn::Rescaling<std::ratio<1, 255>>,
                                 nn::Flatten, nn::Dense<8, nn::Relu>, nn::Dropout<std::ratio<1, 2>>, nn::Dense<3>>;
using RandomModel = Model<RandomNet, SGD, SparseCategoricalCrossentropy, Accuracy>;

RandomModel make_random_model(std::uint64_t seed, int threads) {
  return RandomModel(SGD{.learning_rate = 0}, {.seed = seed, .device = Device::cpu, .threads = threads, .verbose = 0});
}

}  // namespace

TEST_CASE("random layers draw anew in each step, the same on any number of threads and after a checkpoint") {
  const data::Dataset set = bands(24);
  TemporaryFolder folder;
  const std::string path = folder / "random.safetensors";
  auto step = [&](RandomModel& model) { return model.train_on_batch(images(set, 0, 24), labels(set, 0, 24)).loss; };
  RandomModel one = make_random_model(3, 1), two = make_random_model(3, 2);
  const double first = step(one), second = step(one);
  CHECK(std::fabs(first - second) > 1e-3);  // the weights stay as they are: the masks differ
  CHECK(step(two) == doctest::Approx(first).epsilon(1e-6));
  two.save(path);
  RandomModel resumed = make_random_model(3, 2);
  resumed.load(path);
  CHECK(step(resumed) == doctest::Approx(second).epsilon(1e-6));
  RandomModel other = make_random_model(4, 1);
  other.set_weights(one.get_weights());
  CHECK(std::fabs(step(other) - first) > 1e-3);
  const Logs before = one.evaluate(set), after = one.evaluate(set);
  CHECK(before.loss == after.loss);  // nothing is random
}
