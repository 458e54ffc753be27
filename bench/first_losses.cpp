// Inlay's side of the check before `bench/compare/run training`: saves the seed network's first weights, trains with
// Adam on the first batches of Fashion-MNIST as they lie, and prints the loss of each.
//
//   first_losses WEIGHTS.safetensors STEPS BATCH [folder of the IDX files]       (threads: OMP_NUM_THREADS)
#include "../examples/networks.hpp"

using namespace inlay;

#ifndef BUILT_BY  // said by meson.build
#define BUILT_BY __VERSION__
#endif

int main(int argc, char** argv) try {
  if (argc != 4 && argc != 5)
    throw Error(
        "give a file for the weights, a number of steps, samples of each, and a folder of IDX files if not Debian's");
  const data::Dataset train = argc == 5 ? data::load_idx(argv[4]).train : data::load_fashion_mnist().train;
  const int steps = std::stoi(argv[2]), size = std::stoi(argv[3]);
  if (steps < 1 || size < 1 || steps * size > train.size()) throw Error("there are not so many samples");
  auto model = compile<networks::Seed>(Adam{}, SparseCategoricalCrossentropy{}, Accuracy{}, {.seed = 1, .verbose = 0});
  model.save(argv[1]);
  const auto batch = static_cast<std::size_t>(size);
  std::printf("{\"inlay\": \"%s\", \"built by\": \"%s\", \"losses\": [", model.description().c_str(), BUILT_BY);
  for (std::size_t i = 0; i < static_cast<std::size_t>(steps); ++i) {
    const std::span images = std::span(train.images).subspan(i * batch * 784, batch * 784);
    const std::span labels = std::span(train.labels).subspan(i * batch, batch);
    std::printf("%s%.9g", i == 0 ? "" : ", ", model.train_on_batch(images, labels).loss);
  }
  std::puts("]}");
} catch (const std::exception& error) {
  std::fprintf(stderr, "first_losses: %s\n", error.what());
  return 1;
}
