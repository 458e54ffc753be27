// How the residual networks are trained: SGD with Nesterov's momentum, a warm-up of a tenth of the run and half a
// cosine wave down to zero, weight decay and label smoothing.
#pragma once

#include "arguments.hpp"

namespace examples {

/// main() of an example that trains `Net` for `epochs` if the command line does not say otherwise.
template <class Net>
int train_resnet(const std::string& title, int epochs, int argc, char** argv) try {
  using namespace inlay;
  Arguments arguments(epochs);
  float learning_rate = 0.1f;
  std::string save;
  int benchmark_steps = 0;
  bool explained = false;
  CommandLine line("Trains " + title + " on Fashion-MNIST");
  arguments.add_to(line);
  line.add("learning-rate", learning_rate, "the highest");
  line.add("save", save, "write the trained weights to this .safetensors file");
  line.add("benchmark-steps", benchmark_steps, "measure this many training steps instead, if not 0");
  line.add("explain", explained, "print the stages that inference is compiled to, and stop");
  line.parse(argc, argv);
  if (explained) {
    std::printf("%s", explain<Net>().c_str());
    return 0;
  }

  auto [train, test] = arguments.load();
  const std::int64_t steps = arguments.steps(train), warmup = steps / 10;
  CosineDecay schedule{.initial_learning_rate = warmup > 0 ? 0 : learning_rate, .decay_steps = steps - warmup};
  if (warmup > 0) {
    schedule.warmup_target = learning_rate;
    schedule.warmup_steps = warmup;
  }
  auto model = compile<Net>(SGD{.learning_rate = schedule, .momentum = 0.9f, .nesterov = true, .weight_decay = 5e-4f},
                            SparseCategoricalCrossentropy{.label_smoothing = 0.1f}, Accuracy{}, arguments.compile);
  if (benchmark_steps > 0) {
    std::printf("images_per_second: %.1f\n", training_rate(model, train, arguments.fit.batch_size, benchmark_steps));
    return 0;
  }
  model.summary();
  arguments.fit.seed = arguments.compile.seed;
  arguments.fit.validation_data = &test;
  model.fit(train, arguments.fit);
  if (!save.empty()) model.save(save);
  std::printf("Test accuracy: %.2f%%\n", 100 * model.evaluate(test).accuracy);
  return 0;
} catch (const inlay::Error& error) {
  std::fprintf(stderr, "%s: %s\n", title.c_str(), error.what());
  return 1;
}

}  // namespace examples
