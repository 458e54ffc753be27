// A training session on the CPU: parameters in memory, and the three programs of a network (training step,
// evaluation, prediction) that share them. Model drives it; the CUDA engine has the same functions.
#pragma once

#include <inlay/cpu/executor.hpp>
#include <inlay/data/shuffle.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/train/sums.hpp>
#include <inlay/train/training_graph.hpp>

#include <memory>
#include <string>

namespace inlay {

/// With weights in Precision::bf16 the dense layers of evaluation and prediction keep theirs in bf16.
template <class Net, class Optimizer, class Loss, class Metric, cpu::Policy Allowed = cpu::Policy{}>
class CpuEngine {
 public:
  using Training = Program<TrainingGraph<Net, Optimizer, Loss, Metric>>;
  using Evaluation = Program<EvaluationGraph<Net, Loss, Metric>>;
  using Prediction = Program<Inference<Net>>;
  static constexpr int number_count = Training::plan.inputs.size - 2;
  static constexpr Element element = Prediction::plan.inputs.data[0].element;
  static constexpr std::int64_t sample_bytes = bytes_of(element, Prediction::plan.inputs.data[0].shape.count());
  static constexpr int inference_batch = 256;  // samples that are evaluated and predicted at a time

  explicit CpuEngine(int threads) : thread_count(threads) {
    for (const Parameter& p : Training::plan.parameters) parameters.emplace_back(p.shape.count() * 4);
  }

  /// "CPU, 2 threads, 16 floats a vector"
  std::string description() const {
    return "CPU, " + std::to_string(thread_count) + (thread_count == 1 ? " thread, " : " threads, ") +
           std::to_string(cpu::lanes) + " floats a vector" +
           (Allowed.numerics == Numerics::exact ? ", exact numerics" : "") +
           (Allowed.weights == Precision::bf16 ? ", dense weights in bf16 for prediction" : "");
  }

  void upload(int parameter, const float* values) {
    std::memcpy(data(parameter), values, static_cast<std::size_t>(count(parameter)) * 4);
    parameters_changed();
  }
  void download(int parameter, float* values) const {
    std::memcpy(values, data(parameter), static_cast<std::size_t>(count(parameter)) * 4);
  }
  /// Keeps all parameters as they are now, for `restore`.
  void keep() {
    kept.resize(parameters.size());
    for (int i = 0; i < Training::plan.parameters.size; ++i) {
      kept[static_cast<std::size_t>(i)].grow(count(i) * 4);
      download(i, kept[static_cast<std::size_t>(i)].floats());
    }
  }
  void restore() {
    for (int i = 0; i < Training::plan.parameters.size; ++i) upload(i, kept[static_cast<std::size_t>(i)].floats());
  }

  /// What `train` takes samples from, in the order in which they lie: kept by reference until the next call.
  void load(const void* samples, const int* labels, int count) {
    source = static_cast<const char*>(samples);
    source_labels = labels;
    set_order(data::Shuffle::none(static_cast<std::uint32_t>(count)));
  }
  /// Another order, from the next step on.
  void set_order(const data::Shuffle& next) { order = next; }

  /// Training steps on samples first, ..., end - 1 of the order, `batch` a step, fewer in the last one if less are
  /// left. `numbers`: what the training graph takes beside samples and labels, number_count for each step.
  void train(int first, int end, int batch, const float* numbers) {
    for (int at = first; at < end; at += batch, numbers += number_count)
      train_step(at, end - at < batch ? end - at : batch, numbers);
    parameters_changed();
  }
  /// Loss and metric of `count` samples, without training. `numbers`: the loss's.
  void evaluate(const void* samples, const int* labels, int count, const float* numbers) {
    run(prepare(evaluation), samples, labels, count, numbers);
  }
  /// The network's output, samples x outputs.
  void predict(const void* samples, int count, float* outputs) {
    auto& program = prepare(prediction);
    program.bind_input(0, samples);
    program.run(count);
    program.read_output(0, count, outputs);
  }

  /// Sums over what was trained and evaluated since the last call.
  Sums read() {
    const Sums result = sums;
    sums = {};
    return result;
  }

 private:
  int thread_count;
  std::vector<cpu::Buffer> parameters, kept;
  std::unique_ptr<cpu::Executor<Training, cpu::Policy{Allowed.numerics}>> training;
  std::unique_ptr<cpu::Executor<Evaluation, Allowed>> evaluation;
  std::unique_ptr<cpu::Executor<Prediction, Allowed>> prediction;
  const char* source = nullptr;
  const int* source_labels = nullptr;
  data::Shuffle order = data::Shuffle::none(0);
  cpu::Buffer gathered;
  std::vector<std::int32_t> gathered_labels;
  Sums sums;

  static std::int64_t count(int parameter) { return Training::plan.parameters.data[parameter].shape.count(); }
  float* data(int parameter) const { return parameters[static_cast<std::size_t>(parameter)].floats(); }

  void parameters_changed() {
    if (evaluation) evaluation->parameters_changed();
    if (prediction) prediction->parameters_changed();
  }
  template <class P, cpu::Policy Any>
  cpu::Executor<P, Any>& prepare(std::unique_ptr<cpu::Executor<P, Any>>& program) {
    if (!program) {
      program = std::make_unique<cpu::Executor<P, Any>>(thread_count);
      for (int i = 0; i < P::plan.parameters.size; ++i) program->bind_parameter(i, data(i));
    }
    return *program;
  }
  void train_step(int first, int count, const float* numbers) {
    gathered.grow(sample_bytes * count);
    gathered_labels.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      const std::int64_t pick = order(static_cast<std::uint32_t>(first + i));
      std::memcpy(gathered.data() + i * sample_bytes, source + pick * sample_bytes, sample_bytes);
      gathered_labels[static_cast<std::size_t>(i)] = source_labels[pick];
    }
    run(prepare(training), gathered.data(), gathered_labels.data(), count, numbers);
  }
  template <class P, cpu::Policy Any>
  void run(cpu::Executor<P, Any>& program, const void* samples, const std::int32_t* labels, int count,
           const float* numbers) {
    program.bind_input(0, samples);
    program.bind_input(1, labels);
    for (int i = 2; i < P::plan.inputs.size; ++i) program.bind_input(i, numbers + i - 2);
    program.run(count);
    float loss = 0, metric = 0;
    program.read_output(0, count, &loss);
    program.read_output(1, count, &metric);
    sums.loss += loss;
    sums.metric += metric;
    sums.samples += count;
  }
};

}  // namespace inlay
