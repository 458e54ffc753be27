// Learning rates and optimisers: schedules at their corners, and every optimiser's rule as a plain loop.
#include "../temporary_folder.hpp"

#include <inlay/train/optimizers.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace inlay;
using inlay::testing::message_of;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a learning rate is a number, a schedule or any function of the steps that are done") {
  CHECK(Adam{.learning_rate = 1e-3}.learning_rate(12345) == 1e-3f);
  CHECK(SGD{}.learning_rate(0) == 0.01f);
  const SGD own{.learning_rate = [](std::int64_t step) { return step < 2 ? 0.5 : 0.25; }};
  float numbers[SGD::number_count];
  for (int step = 1; step <= 3; ++step) {  // the first step has number 1 and no step before it
    own.numbers(step, numbers);
    CHECK(numbers[0] == (step < 3 ? 0.5f : 0.25f));
  }
}

TEST_CASE("every optimiser takes the rate of its step") {
  const LearningRate falling = [](std::int64_t step) { return 1.0f / static_cast<float>(step + 1); };
  float numbers[8];
  MomentumSGD<>{.learning_rate = falling}.numbers(4, numbers);
  CHECK(numbers[0] == 0.25f);
  AdamW{.learning_rate = falling, .weight_decay = 0.5f}.numbers(4, numbers);
  CHECK(numbers[4] == 0.125f);
  const float rate = numbers[0];
  Adam{.learning_rate = 0.25f}.numbers(4, numbers);
  CHECK(numbers[0] == rate);
}

TEST_CASE("PiecewiseConstantDecay keeps a value up to and including its boundary, as Keras does") {
  const PiecewiseConstantDecay rate{.boundaries = {10, 20}, .values = {1, 0.5f, 0.25f}};
  const std::int64_t steps[] = {0, 10, 11, 20, 21, 1000};
  const float expected[] = {1, 1, 0.5f, 0.5f, 0.25f, 0.25f};
  for (std::size_t i = 0; i < 6; ++i) CHECK(rate(steps[i]) == expected[i]);
}

TEST_CASE("CosineDecay falls along half a wave to alpha times the initial rate and stays there") {
  const CosineDecay rate{.initial_learning_rate = 0.5f, .decay_steps = 100, .alpha = 0.125f};
  CHECK(rate(0) == 0.5f);
  CHECK(rate(50) == doctest::Approx(0.5 * (0.875 * 0.5 + 0.125)).epsilon(1e-7));
  CHECK(rate(25) == doctest::Approx(0.5 * (0.875 * 0.5 * (1 + std::sqrt(0.5)) + 0.125)).epsilon(1e-7));
  CHECK(rate(100) == 0.0625f);
  CHECK(rate(100000) == 0.0625f);
}

TEST_CASE("a warm-up rises in a straight line to its target, from where the wave falls") {
  const CosineDecay rate{.initial_learning_rate = 0.25f, .decay_steps = 10, .warmup_target = 1.0f, .warmup_steps = 3};
  CHECK(rate(0) == 0.25f);
  CHECK(rate(1) == 0.5f);
  CHECK(rate(2) == 0.75f);
  CHECK(rate(3) == 1.0f);
  CHECK(rate(8) == doctest::Approx(0.5));
  CHECK(rate(13) == 0.0f);
}

TEST_CASE("schedules whose fields make no sense are refused where they are given") {
  auto refusal = [](auto schedule) {
    return message_of<Error>([&] { static_cast<void>(Adam{.learning_rate = schedule}); });
  };
  CHECK(has(refusal(PiecewiseConstantDecay{{10}, {1}}), "1 boundaries and 1 values"));
  CHECK(has(refusal(PiecewiseConstantDecay{{10, 10}, {1, 2, 3}}), "boundary 10 after 10"));
  CHECK(has(refusal(CosineDecay{.initial_learning_rate = 1}), "decay_steps 0, expected at least 1"));
  CHECK(has(refusal(CosineDecay{.initial_learning_rate = 1, .decay_steps = 5, .warmup_steps = 2}),
            "warmup_steps 2 and no warmup_target"));
  CHECK(has(refusal(CosineDecay{.initial_learning_rate = 1, .decay_steps = 5, .warmup_target = 1.0f}),
            "warmup_steps 0 and a warmup_target"));
}
