// Keras' compile, fit, evaluate and predict for a network type. `compile` turns the network, optimiser, loss and metric
// into three programs while the C++ compiler runs; Model drives them, on the GPU where the program was compiled by
// nvcc and a device is usable, on the CPU otherwise.
#pragma once

#include <inlay/core/precision.hpp>
#include <inlay/core/random.hpp>
#include <inlay/cuda/policy.hpp>
#include <inlay/data/dataset.hpp>
#include <inlay/data/shuffle.hpp>
#include <inlay/io/safetensors.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/summary.hpp>
#include <inlay/train/cpu_engine.hpp>
#include <inlay/train/fit_options.hpp>
#include <inlay/train/history.hpp>
#include <inlay/train/initialize.hpp>
#include <inlay/train/model_layer.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/progress.hpp>
#include <inlay/train/weights.hpp>

#if defined(__CUDACC__) || defined(INLAY_CUDA_EMULATOR)
#define INLAY_MODEL_ON_CUDA
#include <inlay/train/cuda_engine.hpp>
#endif

#include <algorithm>
#include <cmath>
#include <span>
#include <variant>

namespace inlay {

namespace detail {

/// Is the last that a network does a softmax?
template <class Layer>
inline constexpr bool ends_with_softmax = std::is_same_v<Layer, nn::Softmax>;
template <int Units, class... Options>
inline constexpr bool ends_with_softmax<nn::Dense<Units, Options...>> = (std::is_same_v<Options, nn::Softmax> || ...);
template <class... Layers>
inline constexpr bool ends_with_softmax<nn::Sequential<Layers...>> = [] {
  bool last = false;
  ((last = ends_with_softmax<Layers>), ...);
  return last;
}();

}  // namespace detail

enum class Device : std::uint8_t { automatic, cpu, cuda };

struct CompileOptions {
  std::uint64_t seed = 0;             ///< of the initial weights and of random layers
  Device device = Device::automatic;  ///< cuda: fail where no GPU is usable instead of falling back
  int threads = 0;                    ///< of the CPU; 0: OMP_NUM_THREADS, or one a core
  int verbose = 1;                    ///< 0: do not say what the model runs on
};

/// `Multiplied`, `Summed`, `Tile`: see compile.
template <class Net, class Optimizer, class Loss, class Metric, Precision Multiplied = Precision::fp32,
          Numerics Summed = Numerics::fast, TileSize Tile = TileSize{}>
class Model {
  using Cpu = CpuEngine<Net, Optimizer, Loss, Metric, cpu::Policy{Summed, Multiplied}>;
#ifdef INLAY_MODEL_ON_CUDA
  using Cuda = CudaEngine<Net, Optimizer, Loss, Metric, cuda::Policy{Multiplied, Tile}>;
  using Engine = std::variant<Cpu, Cuda>;
#else
  using Engine = std::variant<Cpu>;
#endif
  static constexpr auto& plan = Cpu::Training::plan;
  static constexpr int loss_number_count = Cpu::Evaluation::plan.inputs.size - 2;
  static constexpr int weight_count = Cpu::Prediction::plan.parameters.size;

 public:
  static_assert(Cpu::Evaluation::plan.inputs.data[1].element == Element::i32,
                "labels are class numbers: the label() of a loss is a Symbol of Element::i32");

  /// The element type of one sample, and how many make a sample and an output.
  using Sample = storage_t<Cpu::element>;
  static constexpr std::int64_t sample_size = Cpu::Prediction::plan.inputs.data[0].shape.count();
  static constexpr std::int64_t output_size =
      Cpu::Prediction::plan.values.data[Cpu::Prediction::plan.outputs.data[0].value].count;

  Optimizer optimizer;  ///< its fields may be changed between steps, in `fit` by callbacks
  Loss loss;            ///< likewise

  Model(Optimizer with, const CompileOptions& options, Loss minimised = {})
      : optimizer(with), loss(minimised), engine(make_engine(options)), seed(options.seed) {
    if constexpr (requires { loss.check(); }) loss.check();
    std::vector<float> values;
    for (int i = 0; i < plan.parameters.size; ++i) {
      values.resize(static_cast<std::size_t>(plan.parameters.data[i].shape.count()));
      initialize(plan.parameters.data[i], i, options.seed, values.data());
      upload(i, values.data());
    }
    if (options.verbose > 0) std::printf("Inlay runs on %s\n", description().c_str());
  }

  /// What the model runs on: "CPU, 2 threads, 16 floats a vector".
  std::string description() const {
    return std::visit([](const auto& e) { return e.description(); }, engine);
  }

  /// Prints Keras' table of layers, output shapes and parameters.
  void summary(std::FILE* out = stdout) const { std::fputs(nn::summary<Net>().c_str(), out); }

  /// Trains on `set`. Throws Error if images or labels do not fit the network, and, with the weights of the last
  /// whole epoch restored, if the loss stops being a number.
  History fit(const data::Dataset& set, const FitOptions& options = {}) {
    check_not_fitting("fit");
    options.check();
    check(set, "fit");
    if (options.validation_data != nullptr) check(*options.validation_data, "fit: validation_data");
    const int batch_size = options.batch_size < set.size() ? options.batch_size : set.size();
    const int rest = set.size() % batch_size;
    check_least_samples(batch_size, "fit: a batch");
    if (rest > 0) check_least_samples(rest, "fit: the last batch of an epoch");
    const Fitting now(fitting);
    History history;
    const int steps = (set.size() + batch_size - 1) / batch_size;
    Progress progress(options.epochs, steps, {.verbose = options.verbose});
    bool every_batch = false;
    for (const Callback& c : options.callbacks) every_batch = every_batch || c.wants_batches();

    std::visit([&](auto& e) { e.load(set.images.data(), set.labels.data(), set.size()); }, engine);
    const Handle handle(*this);
    for (const Callback& c : options.callbacks) c.set_model(handle);
    Next next = notify(options.callbacks, [](const Callback& c) { return c.on_train_begin(); });
    Logs logs;
    for (int epoch = 0; epoch < options.epochs && next == Next::proceed; ++epoch) {
      const double start = steady_seconds();
      next = notify(options.callbacks, [&](const Callback& c) { return c.on_epoch_begin(epoch); });
      if (next == Next::stop) break;
      progress.begin_epoch(epoch);
      if (options.shuffle) shuffle(options.seed, epoch, set.size());
      std::visit([](auto& e) { e.keep(); }, engine);
      const std::int64_t steps_before = step_number;
      Sums sums;
      for (int done = 0; done < steps && next == Next::proceed;) {
        const int first = done * batch_size;
        done += every_batch ? 1 : progress.steps_to_update();
        train(first, done < steps ? done * batch_size : set.size(), batch_size);
        add(sums, read());
        logs = logs_of(sums);
        if (!std::isfinite(sums.loss)) {
          step_number = steps_before;
          stop_at_nan(epoch, done);
        }
        progress.update(done, logs);
        if (every_batch)
          next = notify(options.callbacks, [&](const Callback& c) { return c.on_train_batch_end(done - 1, logs); });
      }
      if (options.validation_data != nullptr) {
        const Logs validation = evaluate(*options.validation_data);
        logs.val_loss = validation.loss;
        logs.val_accuracy = validation.accuracy;
      }
      progress.end_epoch(logs);
      history.append(epoch, logs, steady_seconds() - start);
      if (notify(options.callbacks, [&](const Callback& c) { return c.on_epoch_end(epoch, logs); }) == Next::stop)
        next = Next::stop;
    }
    notify(options.callbacks, [&](const Callback& c) { return c.on_train_end(logs); });
    return history;
  }

  /// Mean loss and metric over the set.
  Logs evaluate(const data::Dataset& set) {
    check(set, "evaluate");
    const auto* samples = reinterpret_cast<const Sample*>(set.images.data());
    float numbers[loss_number_count + 1];
    loss_numbers(numbers);
    in_batches(set.size(), [&](auto& e, int first, int count) {
      e.evaluate(samples + first * sample_size, set.labels.data() + first, count, numbers);
    });
    return logs_of(read());
  }

  /// One step on these samples (N x H x W x C, contiguous); the loss and metric before the step. A step whose loss is
  /// not finite changes no trainable weight; moving averages take from it what is finite. Throws Error in a callback of
  /// this model's fit.
  Logs train_on_batch(std::span<const Sample> samples, std::span<const int> labels) {
    check_not_fitting("train_on_batch");
    check_batch(samples.size(), labels, "train_on_batch");
    check_least_samples(static_cast<int>(labels.size()), "train_on_batch: the batch");
    const int count = static_cast<int>(labels.size());
    std::visit([&](auto& e) { e.load(samples.data(), labels.data(), count); }, engine);
    train(0, count, count);
    const Logs logs = logs_of(read());
    if (!std::isfinite(logs.loss)) --step_number;
    return logs;
  }

  /// The network's outputs, N x outputs, row-major, for any number of samples.
  std::vector<float> predict(std::span<const Sample> samples) {
    std::vector<float> outputs(static_cast<std::size_t>(whole_samples(samples) * output_size));
    predict(samples, outputs);
    return outputs;
  }
  /// The same, into memory of the caller's. On the CPU nothing is allocated by a call for no more samples than one
  /// before.
  void predict(std::span<const Sample> samples, std::span<float> outputs) {
    const int total = whole_samples(samples);
    if (outputs.size() != static_cast<std::size_t>(total * output_size))
      throw Error("predict: there is room for " + std::to_string(outputs.size()) + " outputs, expected is room for " +
                  std::to_string(total * output_size) + ", " + std::to_string(output_size) + " for each sample");
    in_batches(total, [&](auto& e, int first, int count) {
      e.predict(samples.data() + first * sample_size, count, outputs.data() + first * output_size);
    });
  }

  /// All weights in the order of the layers, in Keras' layouts.
  std::vector<Weight> get_weights() const { return weights(0, weight_count); }

  /// Replaces all weights. Throws Error listing every difference, and changes nothing, if they are not this network's.
  void set_weights(const std::vector<Weight>& weights) { set_weights("this network", 0, weight_count, weights); }

  /// The layer of this name, as in summary, or of this path, as in the names of weights. Throws Error listing the
  /// layers if there is none.
  template <Literal Path>
  ModelLayer<Model> layer() {
    const detail::WeightRange range = detail::weights_of_layer<Net>(plan.parameters.data, weight_count, Path.text);
    return {*this, Path.text, range.first, range.count};
  }
  /// The layer of this index, as in summary.
  template <int Index>
  ModelLayer<Model> layer() {
    error::require<(Index >= 0 && Index < Net::size), error::the_network_has_no_layer_of_index<Index, Net>>();
    const std::string path = std::to_string(Index);
    const detail::WeightRange range = detail::weights_below(plan.parameters.data, weight_count, path);
    return {*this, "layer " + path, range.first, range.count};
  }

  /// Writes weights, optimiser state and the network's fingerprint as safetensors. The file is replaced whole or,
  /// on failure, not at all.
  void save(const std::string& path) const {
    save_safetensors(path, {weights(0, plan.parameters.size),
                            {{"inlay.network", fingerprint_text()}, {"inlay.step", std::to_string(step_number)}}});
  }

  /// Reads what `save` wrote. Throws Error listing every difference, and changes nothing, for another network's file.
  void load(const std::string& path) {
    Checkpoint checkpoint = load_safetensors(path);
    std::string wrong;
    const auto saved = checkpoint.metadata.find("inlay.network");
    if (saved == checkpoint.metadata.end() || saved->second != fingerprint_text())
      wrong += "\n  the network's fingerprint is " + fingerprint_text() + ", the file's is " +
               (saved == checkpoint.metadata.end() ? "missing" : saved->second);
    wrong += sort_by_name(plan.parameters.data, plan.parameters.size, checkpoint.weights);
    if (!wrong.empty())
      throw Error("load: " + path +
                  " is not a checkpoint of this network and optimiser (load_weights takes the weights alone):" + wrong);
    const auto step = checkpoint.metadata.find("inlay.step");
    step_number = step == checkpoint.metadata.end() ? 0 : std::atoll(step->second.c_str());
    for (int i = 0; i < plan.parameters.size; ++i)
      upload(i, checkpoint.weights[static_cast<std::size_t>(i)].values.data());
  }

  /// Reads the network's weights, by their names, from what `save` wrote with any optimiser, or another program with
  /// the names and layouts of get_weights. The optimiser stays as it is. Throws Error listing every difference, and
  /// changes nothing, if the file holds other weights.
  void load_weights(const std::string& path) {
    std::vector<Weight> given = load_safetensors(path).weights;
    const auto is_state = [](const Weight& w) {  // of an optimiser: "2.conv2d.kernel.adam_m"
      return std::any_of(plan.parameters.data, plan.parameters.data + weight_count,
                         [&](const Parameter& p) { return w.name.rfind(name_of(p) + ".", 0) == 0; });
    };
    given.erase(std::remove_if(given.begin(), given.end(), is_state), given.end());
    const std::string wrong = sort_by_name(plan.parameters.data, weight_count, given);
    if (!wrong.empty()) throw Error("load_weights: " + path + " does not hold the weights of this network:" + wrong);
    set_weights(given);
  }

 private:
  friend class ModelLayer<Model>;

  /// This model, for callbacks.
  struct Handle : ModelInTraining {
    const Model& model;
    explicit Handle(const Model& of) : model(of) {}
    void save(const std::string& path) const override { model.save(path); }
  };

  Engine engine;
  std::uint64_t seed;
  std::int64_t step_number = 0;
  bool fitting = false;

  static Engine make_engine(const CompileOptions& options) {
    if (options.threads < 0)
      throw Error("compile: threads is " + std::to_string(options.threads) +
                  ", expected at least 0 (0: OMP_NUM_THREADS, or one a core)");
    const int threads = options.threads > 0 ? options.threads : cpu::default_threads();
#ifdef INLAY_MODEL_ON_CUDA
    if (options.device != Device::cpu) {
      const cuda::DeviceQuery query = cuda::usable_device();
      if (query) return Engine(std::in_place_type<Cuda>, *query.device);
      if (options.device == Device::cuda) throw Error("compile: no GPU can be used: " + query.reason);
      if (options.verbose > 0) std::printf("Inlay uses the CPU, because %s\n", query.reason.c_str());
    }
#else
    if (options.device == Device::cuda)
      throw Error("compile: this program was built without CUDA; compile it with nvcc to run on a GPU");
#endif
    return Engine(std::in_place_type<Cpu>, threads);
  }

  /// run(engine, first, count) for batches of so many samples as the engine evaluates and predicts at a time.
  template <class Run>
  void in_batches(int samples, Run run) {
    std::visit(
        [&](auto& e) {
          for (int first = 0; first < samples; first += e.inference_batch)
            run(e, first, std::min(samples - first, e.inference_batch));
        },
        engine);
  }

  void set_weights(const std::string& of, int first, int count, const std::vector<Weight>& weights) {
    if (const std::string wrong = differences(plan.parameters.data + first, count, weights); !wrong.empty())
      throw Error("set_weights: these are not the weights of " + of + ":" + wrong);
    for (int i = 0; i < count; ++i) upload(first + i, weights[static_cast<std::size_t>(i)].values.data());
  }
  void upload(int parameter, const float* values) {
    std::visit([&](auto& e) { e.upload(parameter, values); }, engine);
  }
  Sums read() {
    return std::visit([](auto& e) { return e.read(); }, engine);
  }
  static void add(Sums& total, const Sums& more) {
    total.loss += more.loss;
    total.metric += more.metric;
    total.samples += more.samples;
  }
  static Logs logs_of(const Sums& sums) {
    const double n = static_cast<double>(sums.samples);
    return {.loss = sums.loss / n, .accuracy = sums.metric / n};
  }

  void loss_numbers([[maybe_unused]] float* out) const {
    if constexpr (loss_number_count > 0) loss.numbers(out);
  }

  /// Steps on samples first, ..., end - 1 of the engine's order, `batch` a step.
  void train(int first, int end, int batch) {
    constexpr int of_loss = Cpu::number_count - Optimizer::number_count - loss_number_count;  // after 2 or no keys
    std::vector<float> numbers(static_cast<std::size_t>((end - first + batch - 1) / batch * Cpu::number_count));
    float* of_step = numbers.data();
    std::int64_t step = step_number;
    for (int at = first; at < end; at += batch, of_step += Cpu::number_count) {
      const RandomKey key = random_key(seed, static_cast<std::uint64_t>(++step));
      for (int i = 0; i < of_loss; ++i) of_step[i] = key.number[i];
      loss_numbers(of_step + of_loss);
      optimizer.numbers(step, of_step + of_loss + loss_number_count);
    }
    std::visit([&](auto& e) { e.train(first, end, batch, numbers.data()); }, engine);
    step_number = step;
  }

  void shuffle(std::uint64_t with_seed, int epoch, int count) {
    const data::Shuffle order(with_seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint32_t>(count));
    std::visit([&](auto& e) { e.set_order(order); }, engine);
  }

  [[noreturn]] void stop_at_nan(int epoch, int steps) {
    std::visit([](auto& e) { e.restore(); }, engine);
    throw Error("fit: the loss was not finite at or before step " + std::to_string(steps) + " of epoch " +
                std::to_string(epoch + 1) + ". The weights are those from before this epoch; lower the learning_rate.");
  }

  std::vector<Weight> weights(int first, int end) const {
    std::vector<Weight> result;
    for (int i = first; i < end; ++i) {
      const Parameter& p = plan.parameters.data[i];
      std::vector<float> values(static_cast<std::size_t>(p.shape.count()));
      std::visit([&](const auto& e) { e.download(i, values.data()); }, engine);
      result.push_back({name_of(p), dimensions(p.shape), std::move(values)});
    }
    return result;
  }

  static std::string fingerprint_text() {
    static constexpr std::uint64_t hash = fingerprint(thaw(Cpu::Prediction::graph));
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    return text;
  }

  static int whole_samples(std::span<const Sample> samples) {
    if (samples.size() % static_cast<std::size_t>(sample_size) != 0)
      throw Error("predict: " + std::to_string(samples.size()) + " elements are not a whole number of samples; give " +
                  std::to_string(sample_size) + " for each");
    return static_cast<int>(samples.size() / static_cast<std::size_t>(sample_size));
  }
  /// True for the life of a call of `fit`.
  struct Fitting {
    bool& flag;
    explicit Fitting(bool& of_model) : flag(of_model) { flag = true; }
    Fitting(const Fitting&) = delete;
    Fitting& operator=(const Fitting&) = delete;
    ~Fitting() { flag = false; }
  };
  void check_not_fitting(const std::string& who) const {
    if (fitting)
      throw Error(who +
                  ": the model is in the midst of fit, one of whose callbacks called this; train before or after");
  }
  void check(const data::Dataset& set, const std::string& who) const {
    constexpr Shape shape = Cpu::Prediction::plan.inputs.data[0].shape;
    if (set.size() == 0) throw Error(who + ": the data set is empty; give at least one sample");
    if constexpr (shape.rank == 3) {
      if (set.height != shape.extents[0] || set.width != shape.extents[1] || set.channels != shape.extents[2])
        throw Error(who + ": images are " + to_text({set.height, set.width, set.channels}) +
                    ", but the network takes " + to_text(dimensions(shape)) +
                    "; resize them, or give nn::Input their size");
    }
    static_assert(Cpu::element == Element::u8, "data sets hold bytes: give nn::Input the element std::uint8_t");
    check_batch(set.images.size(), set.labels, who);
  }
  /// Throws Error where a training step of so few samples has no meaning for a parameter; `batch` names the batch.
  static void check_least_samples(int count, const std::string& batch) {
    for (const Parameter& p : plan.parameters)
      if (count < p.least_samples)
        throw Error(batch + " has " + std::to_string(count) + " of the at least " + std::to_string(p.least_samples) +
                    " samples that " + name_of(p) +
                    " needs in a training step; choose another batch_size, or leave these samples out");
  }
  static void check_batch(std::size_t elements, std::span<const int> labels, const std::string& who) {
    if (labels.empty()) throw Error(who + ": the batch is empty; give at least one sample");
    if (elements != labels.size() * static_cast<std::size_t>(sample_size))
      throw Error(who + ": " + std::to_string(labels.size()) + " labels need " +
                  std::to_string(labels.size() * static_cast<std::size_t>(sample_size)) + " elements, given are " +
                  std::to_string(elements));
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] < 0 || labels[i] >= output_size)
        throw Error(who + ": the label of sample " + std::to_string(i) + " is " + std::to_string(labels[i]) +
                    ", but the network has " + std::to_string(output_size) + " outputs; labels run from 0 to " +
                    std::to_string(output_size - 1));
  }
};

/// Makes a model of a network type, ready to train. Policies follow the network:
///   compile<Net, Precision::bf16>(...)    On a GPU, tensor cores multiply what is rounded to bf16 (or fp16, tf32) and
///                                         sum it in fp32; weights and their gradients stay fp32. With bf16, images and
///                                         features and their gradients lie in memory as bf16, too, half as many bytes;
///                                         with fp16 only images and features that are multiplied as they are; with
///                                         tf32 they stay fp32. fp16 has no numbers below 2^-24 and above 65504:
///                                         gradients are scaled while they are multiplied, images, features and
///                                         weights are not. On the CPU, evaluation and prediction keep the weights of
///                                         dense layers in bf16 (single images are faster), and all else stays fp32;
///                                         the others change nothing there.
///   compile<Net, Numerics::exact>(...)    On the CPU, sums of products as they are written: see Numerics.
///   compile<Net, TileSize{128, 64}>(...)  On a GPU, blocks of threads compute tiles of this size instead of those that
///                                         are estimated to be fastest: see TileSize. For experiments.
/// Throws Error where the GPU is too old for the precision.
template <class Net, auto... Policies, class Optimizer, class Loss, class Metric>
auto compile(Optimizer optimizer, Loss loss, Metric, const CompileOptions& options = {}) {
  static_assert((detail::is_compile_policy<std::remove_const_t<decltype(Policies)>> && ...),  // g++ 12 adds const
                "compile<Net, ...>: after the network come Precision::..., Numerics::... and TileSize{...}");
  if constexpr (requires { Loss::applies_softmax; })
    static_assert(
        !detail::ends_with_softmax<Net>,
        "compile: the loss applies the softmax itself, as Keras' does with from_logits=True; leave nn::Softmax "
        "out of the network's last layer");
  constexpr TileSize tile = detail::chosen(TileSize{}, Policies...);
  static_assert(tile.is_possible(),
                "compile<Net, TileSize{...}>: a tile has 64, 128 or 256 rows and 16, 32, 64 or 128 columns (0 leaves "
                "the choice to Inlay), and at most 128 x 128 elements");
  return Model<Net, Optimizer, Loss, Metric, detail::chosen(Precision::fp32, Policies...),
               detail::chosen(Numerics::fast, Policies...), tile>(optimizer, options, loss);
}

}  // namespace inlay

#undef INLAY_MODEL_ON_CUDA
