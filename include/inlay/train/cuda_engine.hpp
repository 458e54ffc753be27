// A training session on a GPU (or in the emulator), with the functions of the CPU engine. The data set lies on the
// device, a step is one CUDA graph that picks its samples by an order on the device, and loss and metric add up there:
// nothing waits for the GPU until `read`.
#pragma once

#include <inlay/cuda/executor.hpp>
#include <inlay/cuda/usable_device.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/train/sums.hpp>
#include <inlay/train/training_graph.hpp>

#include <memory>
#include <string>

namespace inlay {

namespace cuda {

/// sums += (loss, metric) of one run.
struct AddToSums {
  static constexpr int threads = 32, shared_bytes = 0;

  INLAY_DEVICE static void run(Global<const float> loss, Global<const float> metric, Global<double> sums) {
    if (thread_index() != 0) return;
    sums[0] = sums[0] + static_cast<double>(loss[0]);
    sums[1] = sums[1] + static_cast<double>(metric[0]);
  }
};

}  // namespace cuda

template <class Net, class Optimizer, class Loss, class Metric, Precision Multiplied = Precision::fp32>
class CudaEngine {
 public:
  using Training = Program<TrainingGraph<Net, Optimizer, Loss, Metric>, stored_in(Multiplied)>;
  using Evaluation = Program<EvaluationGraph<Net, Loss, Metric>, stored_in(Multiplied)>;
  using Prediction = Program<Inference<Net>, stored_in(Multiplied)>;
  static constexpr int number_count = Training::plan.inputs.size - 2;
  static constexpr std::int64_t sample_bytes =
      Prediction::plan.inputs.data[0].shape.count() * size_of(Prediction::plan.inputs.data[0].element);

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
    return Multiplied == Precision::fp32 ? text : text + ", multiplying in " + name_of(Multiplied);
  }

  void upload(int parameter, const float* values) {
    parameters.upload(parameter, {values, parameters.size(parameter)}, *stream);
    stream->synchronize();
    if (training) training->parameters_changed();
    parameters_changed();
  }
  void download(int parameter, float* values) const {
    parameters.download(parameter, {values, parameters.size(parameter)}, *stream);
  }

  /// What `train` takes samples from: copied to the device.
  void load(const void* samples, const int* labels, int count) {
    const auto n = static_cast<std::size_t>(count);
    if (data.size() < n * sample_bytes) data = cuda::DeviceBuffer<unsigned char>(n * sample_bytes, "the data set");
    if (data_labels.size() < n) {
      data_labels = cuda::DeviceBuffer<int>(n, "the labels");
      device_order = cuda::DeviceBuffer<int>(n, "the order of an epoch");
    }
    data.upload({static_cast<const unsigned char*>(samples), n * sample_bytes}, *stream);
    data_labels.upload({labels, n}, *stream);
    auto& program = prepare(training);
    program.bind_gathered(0, {data.data(), count, device_order.data(), count});
    program.bind_gathered(1, {data_labels.data(), count, device_order.data(), count});
    stream->synchronize();
  }
  /// The order in which it takes them.
  void set_order(const std::vector<int>& order) {
    device_order.upload(order, *stream);
    stream->synchronize();
  }

  void train(int first, int count, const float* numbers) {
    auto& program = prepare(training);
    for (int i = 2; i < Training::plan.inputs.size; ++i) program.set_number(i, numbers[i - 2]);
    program.set_cursor(first);
    program.replay(count);
    parameters_changed();
    add_to_sums(program, count);
  }
  void evaluate(const void* samples, const int* labels, int count, const float* numbers) {
    auto& program = prepare(evaluation);
    for (int i = 2; i < Evaluation::plan.inputs.size; ++i) program.set_number(i, numbers[i - 2]);
    const auto n = static_cast<std::size_t>(count);
    program.upload_input(0, {static_cast<const unsigned char*>(samples), n * sample_bytes});
    program.upload_input(1, {reinterpret_cast<const unsigned char*>(labels), n * sizeof(int)});
    program.replay(count);
    add_to_sums(program, count);
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
  cuda::DeviceBuffer<int> data_labels, device_order;
  cuda::DeviceBuffer<double> device_sums;
  std::unique_ptr<cuda::Executor<Training, Multiplied>> training;
  std::unique_ptr<cuda::Executor<Evaluation, Multiplied>> evaluation;
  std::unique_ptr<cuda::Executor<Prediction, Multiplied>> prediction;
  std::int64_t pending = 0;

  void parameters_changed() {
    if (evaluation) evaluation->parameters_changed();
    if (prediction) prediction->parameters_changed();
  }
  template <class P>
  cuda::Executor<P, Multiplied>& prepare(std::unique_ptr<cuda::Executor<P, Multiplied>>& program) {
    if (!program) {
      program = std::make_unique<cuda::Executor<P, Multiplied>>(*stream);
      program->bind_parameters(parameters);
    }
    return *program;
  }
  template <class P>
  void add_to_sums(const cuda::Executor<P, Multiplied>& program, int count) {
    cuda::enqueue<cuda::AddToSums>(*stream, {1, 1, 1}, program.device_output(0), program.device_output(1),
                                   device_sums.view());
    pending += count;
  }
};

}  // namespace inlay
