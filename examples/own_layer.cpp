// A layer of one's own: squeeze-and-excitation (Hu, Shen, Sun: CVPR 2018), written as a function of symbolic tensors,
// and an activation as a lambda. Their derivatives are derived and their arithmetic is fused like that of any built-in
// layer; explain shows where it went.
#include <inlay/inlay.hpp>

using namespace inlay;

struct SqueezeExcite {
  static constexpr auto call(auto x) {
    auto gate = nn::Dense<x.channels() / 4, nn::Relu>::call(mean_over_pixels(x));
    return x * nn::Dense<x.channels(), nn::Sigmoid>::call(gate);
  }
};

constexpr auto quick_gelu = [](auto x) { return x * sigmoid(x * 1.702f); };

using Net = nn::Sequential<nn::Input<28, 28, 1, std::uint8_t>, nn::Rescaling<std::ratio<1, 255>>,
                           nn::Conv2D<16, 3, nn::Same, nn::Relu>, nn::MaxPooling2D<2>,
                           nn::Conv2D<32, 3, nn::Same, nn::Lambda<quick_gelu>>, SqueezeExcite, nn::MaxPooling2D<2>,
                           nn::Flatten, nn::Dense<10>>;

// Costs are constants: the build fails if a change makes the network need more memory for each sample.
static_assert(plan<Net>.arena_bytes_per_sample < 64 * 1024);

int main() try {
  auto [train, test] = data::load_fashion_mnist();
  auto model = compile<Net>(Adam{.learning_rate = 2e-3f}, SparseCategoricalCrossentropy{}, Accuracy{});
  model.summary();
  std::printf("%s\n", explain<Net>().c_str());
  model.fit(train, {.epochs = 1, .batch_size = 64});
  std::printf("Test accuracy: %.2f%%\n", 100 * model.evaluate(test).accuracy);
} catch (const Error& error) {
  std::fprintf(stderr, "own_layer: %s\n", error.what());
  return 1;
}
