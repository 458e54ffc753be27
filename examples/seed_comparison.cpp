// What batch normalisation and residual connections do for a small network: the same network plain, with batch
// normalisation, and with both, trained side by side on Fashion-MNIST and compared in a table. The learning rate falls
// to zero along half a cosine wave: at a constant one, what the last epoch ends with is mostly chance.
//
//   seed_comparison --epochs 10 --seed 1
#include "arguments.hpp"
#include "networks.hpp"

using namespace inlay;

struct Row {
  std::string name;
  std::int64_t parameters;
  double train_accuracy, last, best, seconds;
};

template <class Net>
Row train(const std::string& name, const data::TrainTest& sets, float learning_rate, examples::Arguments arguments) {
  std::printf("\n%s\n", name.c_str());
  const CosineDecay schedule{.initial_learning_rate = learning_rate, .decay_steps = arguments.steps(sets.train)};
  auto model =
      compile<Net>(Adam{.learning_rate = schedule}, SparseCategoricalCrossentropy{}, Accuracy{}, arguments.compile);
  arguments.fit.validation_data = &sets.test;
  const History history = model.fit(sets.train, arguments.fit);
  Row row{name, plan<Net>.parameter_count, history.accuracy.back(), history.val_accuracy.back(), 0, 0};
  for (const double accuracy : history.val_accuracy) row.best = std::max(row.best, accuracy);
  for (const double seconds : history.seconds) row.seconds += seconds;
  return row;
}

int main(int argc, char** argv) try {
  examples::Arguments arguments(10);
  float learning_rate = 1e-3f;
  examples::CommandLine line("Compares a small network with and without batch normalisation and residual connections");
  arguments.add_to(line);
  line.add("learning-rate", learning_rate, "of Adam, at first");
  line.parse(argc, argv);
  if (arguments.fit.epochs < 1) throw Error("--epochs must be at least 1: the table shows what the last one reached");
  arguments.fit.seed = arguments.compile.seed;
  const data::TrainTest sets = arguments.load();

  const Row rows[] = {
      train<networks::Seed>("Plain", sets, learning_rate, arguments),
      train<networks::NormalisedSeed>("With batch normalisation", sets, learning_rate, arguments),
      train<networks::ResidualSeed>("With residual connections too", sets, learning_rate, arguments),
  };
  std::printf("\n%-30s %10s %9s %9s %9s %8s\n", "network", "parameters", "train %", "test %", "best %", "seconds");
  for (const Row& row : rows)
    std::printf("%-30s %10lld %9.2f %9.2f %9.2f %8.1f\n", row.name.c_str(), static_cast<long long>(row.parameters),
                100 * row.train_accuracy, 100 * row.last, 100 * row.best, row.seconds);
} catch (const Error& error) {
  std::fprintf(stderr, "seed_comparison: %s\n", error.what());
  return 1;
}
