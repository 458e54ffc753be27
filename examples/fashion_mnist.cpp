// Trains a small convolutional network on Fashion-MNIST (or any set in MNIST's IDX format) and prints its accuracy.
//
//   fashion_mnist --epochs 10 --seed 1 --save fashion.safetensors
#include <inlay/inlay.hpp>

#include <CLI/CLI.hpp>

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
  FitOptions options{.epochs = 10, .batch_size = 64};
  CompileOptions compile_options;
  float learning_rate = 1e-3f;
  std::string folder, save;
  int benchmark_steps = 0;
  CLI::App app{"Trains a convolutional network on Fashion-MNIST"};
  app.add_option("--epochs", options.epochs, "passes over the training set")->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "samples a step")->capture_default_str();
  app.add_option("--learning-rate", learning_rate, "of Adam")->capture_default_str();
  app.add_option("--data", folder, "folder of IDX files; Debian's dataset-fashion-mnist if left out");
  app.add_option("--device", compile_options.device, "auto, cpu or cuda")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Device>{{"auto", Device::automatic}, {"cpu", Device::cpu}, {"cuda", Device::cuda}}));
  app.add_option("--seed", compile_options.seed, "of weights and shuffling")->capture_default_str();
  app.add_option("--save", save, "write the trained weights to this .safetensors file");
  app.add_option("--benchmark-steps", benchmark_steps, "measure this many training steps instead");
  CLI11_PARSE(app, argc, argv);
  options.seed = compile_options.seed;

  auto [train, test] = folder.empty() ? data::load_fashion_mnist() : data::load_idx(folder);
  auto model = compile<Net, Precision::PRECISION, Numerics::NUMERICS>(
      Adam{.learning_rate = learning_rate}, SparseCategoricalCrossentropy{}, Accuracy{}, compile_options);
  if (benchmark_steps > 0) {
    std::printf("images_per_second: %.1f\n", training_rate(model, train, options.batch_size, benchmark_steps));
    return 0;
  }
  model.summary();
  options.validation_data = &test;
  model.fit(train, options);
  const Logs result = model.evaluate(test);
  if (!save.empty()) model.save(save);
  std::printf("Test accuracy: %.2f%%\n", 100 * result.accuracy);
} catch (const Error& error) {
  std::fprintf(stderr, "fashion_mnist: %s\n", error.what());
  return 1;
}
