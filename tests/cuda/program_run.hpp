// Runs a Program in cuda::Executor and its graph in the reference interpreter, on the same random numbers.
#pragma once

#include "device_run.hpp"

#include <inlay/cuda/executor.hpp>
#include <inlay/reference/interpreter.hpp>

namespace inlay::test {

using reference::Values;

/// Random inputs and parameters of a program: bytes 0 to 255, labels below `classes`, other numbers in (-1, 1).
struct Case {
  std::vector<Values> inputs, parameters;

  template <class P>
  static Case of(int samples, int classes, std::uint32_t seed = 7) {
    Case c;
    for (const Input& input : P::plan.inputs) {
      const auto count = static_cast<int>(input.shape.count()) * (input.batched ? samples : 1);
      Values values;
      for (float v : random_floats(count, ++seed)) {
        const double unit = (double{v} + 1) / 2;
        values.push_back(input.element == Element::u8    ? std::floor(unit * 256)
                         : input.element == Element::i32 ? std::floor(unit * classes)
                                                         : double{v});
      }
      c.inputs.push_back(values);
    }
    for (const Parameter& parameter : P::plan.parameters) {
      const double scale = parameter.trainable ? 0.5 : 0;
      Values values;
      for (float v : random_floats(static_cast<int>(parameter.shape.count()), ++seed))
        values.push_back(double{static_cast<float>(scale * double{v})});
      c.parameters.push_back(values);
    }
    return c;
  }
};

inline std::vector<unsigned char> bytes_of(const Values& values, Element element) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(bytes_of(element, std::ssize(values))));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float f = static_cast<float>(values[i]);
    const auto integer = static_cast<std::int32_t>(values[i]);
    if (element == Element::u8) bytes[i] = static_cast<unsigned char>(integer);
    else if (element == Element::f32) std::memcpy(&bytes[4 * i], &f, 4);
    else std::memcpy(&bytes[4 * i], &integer, 4);
  }
  return bytes;
}

/// An executor with its own parameters.
template <class P, Precision Multiplied = Precision::fp32>
struct Device {
  cuda::Stream stream;
  cuda::Parameters parameters = cuda::Parameters::of<P>(stream);
  cuda::Executor<P, Multiplied> executor{stream};

  explicit Device(const Case& c) {
    executor.bind_parameters(parameters);
    for (std::size_t i = 0; i < c.parameters.size(); ++i)
      parameters.upload(static_cast<int>(i), std::vector<float>(c.parameters[i].begin(), c.parameters[i].end()),
                        stream);
    feed(c);
  }
  void feed(const Case& c) {
    for (int i = 0; i < P::plan.inputs.size; ++i) {
      const Values& values = c.inputs[static_cast<std::size_t>(i)];
      if (!P::plan.inputs[i].batched && values.size() == 1) executor.set_number(i, static_cast<float>(values[0]));
      else executor.upload_input(i, bytes_of(values, P::plan.inputs[i].element));
    }
  }
  std::vector<float> output(int i, int samples) const {
    const Value& value = P::plan.values[P::plan.outputs[i].value];
    std::vector<float> values(static_cast<std::size_t>(value.count * (value.batched ? samples : 1)));
    executor.read_output(i, samples, values.data());
    return values;
  }
  std::vector<float> parameter(int i) const {
    std::vector<float> values(parameters.size(i));
    parameters.download(i, values, stream);
    return values;
  }
};

/// The worst difference, relative to the larger of 1 and the largest expected magnitude.
inline double difference(const std::vector<float>& got, const Values& expected) {
  if (got.size() != expected.size()) return HUGE_VAL;
  double scale = 1, worst = 0;
  for (double e : expected) scale = std::max(scale, std::fabs(e));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = std::fabs(got[i] - expected[i]) / scale;
    worst = d <= worst ? worst : std::isnan(d) ? HUGE_VAL : d;
  }
  return worst;
}

/// The worst difference of outputs and parameters after each of `steps` runs, the parameters carried on; on each device
/// that multiplies in its own way.
template <class P, Precision Multiplied = Precision::fp32>
double stray(const Case& first, int samples, int steps = 1, bool replay = false) {
  const Graph graph = thaw(P::graph);
  std::vector<reference::Result> expected;  // of each step
  for (int step = 0; step < steps; ++step)
    expected.push_back(
        reference::evaluate(graph, samples, first.inputs, step == 0 ? first.parameters : expected.back().updated));
  double worst = 0;
  const auto run = [&] {
    Device<P, Multiplied> device(first);
    for (const reference::Result& e : expected) {
      if (replay) device.executor.replay(samples);
      else device.executor.run(samples);
      for (int i = 0; i < P::plan.outputs.size; ++i)
        worst = std::max(worst, difference(device.output(i, samples), e.outputs[static_cast<std::size_t>(i)]));
      for (int i = 0; i < P::plan.parameters.size; ++i)
        worst = std::max(worst, difference(device.parameter(i), e.updated[static_cast<std::size_t>(i)]));
    }
  };
  if (Multiplied == Precision::fp32) run();
  else on_each_device(run);
  return worst;
}

}  // namespace inlay::test
