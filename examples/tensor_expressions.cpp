// Tensor expressions: each statement below is compiled to one fused kernel. Here they fit a line of 8 coefficients by
// gradient descent, with the gradient derived from the loss as it is written.
#include <inlay/inlay.hpp>

using namespace inlay;

int main() {
  Tensor<float, 256, 8> x;
  Tensor<float, 8, 1> truth, w;
  Tensor<float, 1> b;
  for (int i = 0; i < 256; ++i)
    for (int j = 0; j < 8; ++j) x(i, j) = uniform(philox(1, 0, static_cast<std::uint64_t>(8 * i + j)).word[0]) - 0.5f;
  for (int j = 0; j < 8; ++j) truth(j, 0) = static_cast<float>(j);
  Tensor<float, 256, 1> target = matmul(x, truth) + 0.25f;

  for (int step = 0; step <= 400; ++step) {
    auto loss = mean(square(matmul(x, w) + b - target));
    auto [dw, db] = gradients(loss, wrt(w, b));  // one program, forward and backward together
    if (step % 100 == 0) std::printf("step %3d: loss %.6f\n", step, static_cast<double>(value(loss)));
    w = w - 2.0f * dw;
    b = b - 0.5f * db;
  }
  std::printf("w = ");
  for (float coefficient : w) std::printf("%.3f ", static_cast<double>(coefficient));
  std::printf(" b = %.3f\n", static_cast<double>(b(0)));
}
