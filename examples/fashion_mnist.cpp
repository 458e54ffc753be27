// Trains a small convolutional network on Fashion-MNIST (or any set in MNIST's IDX format) and prints its accuracy.
//
//   fashion_mnist --epochs 10 --seed 1 --save fashion.safetensors
#include "arguments.hpp"

using namespace inlay;

#ifndef PRECISION
#define PRECISION fp32  // in which a GPU multiplies; tf32, bf16 and fp16 take tensor cores
#endif
#ifndef NUMERICS
#define NUMERICS fast  // on the CPU; exact forgoes Winograd's convolutions
#endif

using Net = nn::Sequential<nn::Input<28, 28, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                           nn::Conv2D<32, 3, nn::Same, nn::Relu>, nn::Conv2D<64, 3, nn::Same, nn::Relu>,
                           nn::Conv2D<64, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>, nn::Flatten,
                           nn::Dense<64, nn::Relu>, nn::Dense<10>>;

int main(int argc, char** argv) try {
  examples::Arguments arguments(10);
  arguments.fit.batch_size = 64;
  float learning_rate = 1e-3f;
  std::string save;
  int benchmark_steps = 0;
  examples::CommandLine line("Trains a convolutional network on Fashion-MNIST");
  arguments.add_to(line);
  line.add("learning-rate", learning_rate, "of Adam");
  line.add("save", save, "write the trained weights to this .safetensors file");
  line.add("benchmark-steps", benchmark_steps, "measure this many training steps instead, if not 0");
  line.parse(argc, argv);
  arguments.fit.seed = arguments.compile.seed;

  auto [train, test] = arguments.load();
  auto model = compile<Net, Precision::PRECISION, Numerics::NUMERICS>(
      Adam{.learning_rate = learning_rate}, SparseCategoricalCrossentropy{}, Accuracy{}, arguments.compile);
  if (benchmark_steps > 0) {
    std::printf("images_per_second: %.1f\n", training_rate(model, train, arguments.fit.batch_size, benchmark_steps));
    return 0;
  }
  model.summary();
  arguments.fit.validation_data = &test;
  model.fit(train, arguments.fit);
  const Logs result = model.evaluate(test);
  if (!save.empty()) model.save(save);
  std::printf("Test accuracy: %.2f%%\n", 100 * result.accuracy);
} catch (const Error& error) {
  std::fprintf(stderr, "fashion_mnist: %s\n", error.what());
  return 1;
}
