// A training session on a GPU (or in the emulator), with the functions of the CPU engine. The data set lies on the
// device, steps are CUDA graphs that take their samples in an order computed there, and loss and metric add up there:
// between one `read` and the next the host uploads some numbers and launches a few graphs (cuda/executor.hpp).
#pragma once

#include <inlay/cuda/epoch_order.hpp>
#include <inlay/cuda/executor.hpp>
#include <inlay/cuda/usable_device.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/train/sums.hpp>
#include <inlay/train/training_graph.hpp>

#include <memory>
#include <string>

namespace inlay {

template <class Net, class Optimizer, class Loss, class Metric, cuda::Policy Multiplied = cuda::Policy{}>
class CudaEngine {
 public:
  using Training = Program<TrainingGraph<Net, Optimizer, Loss, Metric>, stored_in(Multiplied)>;
  using Evaluation = Program<EvaluationGraph<Net, Loss, Metric>, stored_in(Multiplied)>;
  using Prediction = Program<Inference<Net>, stored_in(Multiplied)>;
  static constexpr int number_count = Training::plan.inputs.size - 2;
  static constexpr std::int64_t sample_bytes =
      bytes_of(Prediction::plan.inputs.data[0].element, Prediction::plan.inputs.data[0].shape.count());
  /// Samples that are evaluated and predicted at a time: many, to fill a large GPU, while their values fit 512 MiB.
  static constexpr int inference_batch = [] {
    int most = 1024;
    while (most > 1 && Evaluation::plan.arena_bytes_per_sample * most > 512 << 20) most /= 2;
    return most;
  }();

  explicit CudaEngine(const cuda::Device& on)
      : device(supporting(on)),
        stream(std::make_unique<cuda::Stream>()),
        parameters(cuda::Parameters::of<Training>(*stream)),
        device_sums(2, "the sums of loss and metric") {
    device_sums.clear(*stream);
  }

  /// "GPU, NVIDIA H100 80GB HBM3 (sm_90)"
  std::string description() const {
    const std::string text =
        "GPU, " + device.name + " (sm_" + std::to_string(device.major) + std::to_string(device.minor) + ")";
    if (Multiplied == Precision::fp32) return text;
    return text + ", multiplying in " + name_of(Multiplied) +
           (cuda::has_tensor_cores(device) ? "" : " without tensor cores: Precision::fp32 is faster there");
  }

  void upload(int parameter, const float* values) {
    parameters.upload(parameter, {values, parameters.size(parameter)}, *stream);
    stream->synchronize();
    parameters_changed();
  }
  void download(int parameter, float* values) const {
    parameters.download(parameter, {values, parameters.size(parameter)}, *stream);
  }
  void keep() { parameters.keep(*stream); }
  void restore() {
    parameters.restore(*stream);
    parameters_changed();
  }

  /// What `train` takes samples from, copied to the device, in the order in which they lie.
  void load(const void* samples, const int* labels, int count) {
    const auto n = static_cast<std::size_t>(count);
    if (data_labels.size() < n) {
      data = cuda::DeviceBuffer<unsigned char>(n * sample_bytes, "the data set");
      order = cuda::DeviceBuffer<int>(n, "the order of an epoch");
      data_labels = cuda::DeviceBuffer<int>(n, "the labels");  // the last: its size says that there is room in all
    }
    data.upload({static_cast<const unsigned char*>(samples), n * sample_bytes}, *stream);
    data_labels.upload({labels, n}, *stream);
    set_order(data::Shuffle::none(static_cast<std::uint32_t>(count)));
    const auto room = static_cast<std::int64_t>(data_labels.size());
    auto& program = prepare(training);
    program.bind_gathered(0, {data.data(), room, order.data(), room});
    program.bind_gathered(1, {data_labels.data(), room, order.data(), room});
    stream->synchronize();
  }
  /// Another order, from the next step on.
  void set_order(const data::Shuffle& next) { cuda::fill_order(*stream, next, order); }

  void train(int first, int end, int batch, const float* numbers) {
    auto& program = prepare(training);
    for (int at = first; at < end; at += batch, numbers += number_count) {
      for (int i = 0; i < number_count; ++i) program.set_number(2 + i, numbers[i]);
      program.set_cursor(at);
      program.queue(end - at < batch ? end - at : batch);
    }
    program.replay();
    parameters_trained();
    pending += end - first;
  }
  void evaluate(const void* samples, const int* labels, int count, const float* numbers) {
    auto& program = prepare(evaluation);
    for (int i = 2; i < Evaluation::plan.inputs.size; ++i) program.set_number(i, numbers[i - 2]);
    const auto n = static_cast<std::size_t>(count);
    program.upload_input(0, {static_cast<const unsigned char*>(samples), n * sample_bytes});
    program.upload_input(1, {reinterpret_cast<const unsigned char*>(labels), n * sizeof(int)});
    program.replay(count);
    pending += count;
  }
  void predict(const void* samples, int count, float* outputs) {
    auto& program = prepare(prediction);
    program.upload_input(0,
                         {static_cast<const unsigned char*>(samples), static_cast<std::size_t>(count) * sample_bytes});
    program.replay(count);
    program.read_output(0, count, outputs);
  }

  /// Sums over what was trained and evaluated since the last call. Waits for the GPU.
  Sums read() {
    double values[2];
    device_sums.download(values, *stream);
    device_sums.clear(*stream);
    const Sums result{values[0], values[1], pending};
    pending = 0;
    return result;
  }

 private:
  static const cuda::Device& supporting(const cuda::Device& on) {
    cuda::require_precision(on, Multiplied);
    return on;
  }

  cuda::Device device;
  std::unique_ptr<cuda::Stream> stream;
  mutable cuda::Parameters parameters;
  cuda::DeviceBuffer<unsigned char> data;
  cuda::DeviceBuffer<int> data_labels, order;
  cuda::DeviceBuffer<double> device_sums;
  std::unique_ptr<cuda::Executor<Training, Multiplied>> training;
  std::unique_ptr<cuda::Executor<Evaluation, Multiplied>> evaluation;
  std::unique_ptr<cuda::Executor<Prediction, Multiplied>> prediction;
  std::int64_t pending = 0;

  void parameters_changed() {
    if (training) training->parameters_changed();
    parameters_trained();
  }
  /// Whatever depends on them in the training program has changed with them.
  void parameters_trained() {
    if (evaluation) evaluation->parameters_changed();
    if (prediction) prediction->parameters_changed();
  }
  template <class P>
  cuda::Executor<P, Multiplied>& prepare(std::unique_ptr<cuda::Executor<P, Multiplied>>& program) {
    if (!program) {
      program = std::make_unique<cuda::Executor<P, Multiplied>>(*stream);
      program->bind_parameters(parameters);
      if constexpr (!std::is_same_v<P, Prediction>) program->bind_sums(device_sums.data());
    }
    return *program;
  }
};

}  // namespace inlay
