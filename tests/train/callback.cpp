// Callbacks, FitOptions, EarlyStopping, BestCheckpoint and CSVLogger, driven as `fit` drives them.
#include <inlay/train/best_checkpoint.hpp>
#include <inlay/train/csv_logger.hpp>
#include <inlay/train/early_stopping.hpp>
#include <inlay/train/fit_options.hpp>

#include <doctest/doctest.h>

#include <unistd.h>
#include <cstdlib>

using namespace inlay;

namespace {

/// Records every hook.
struct Recorder {
  std::string* seen;
  void on_train_begin() { *seen += "begin "; }
  void on_epoch_begin(int epoch) { *seen += "epoch" + std::to_string(epoch) + " "; }
  void on_train_batch_end(int batch, const Logs&) { *seen += "batch" + std::to_string(batch) + " "; }
  void on_epoch_end(int epoch, const Logs&) { *seen += "end" + std::to_string(epoch) + " "; }
  void on_train_end(const Logs&) { *seen += "done"; }
};

/// Calls on_epoch_end with each loss in turn; the number of epochs that ran.
int train(const Callback& callback, const std::vector<double>& val_losses) {
  callback.on_train_begin();
  int epoch = 0;
  for (double loss : val_losses)
    if (callback.on_epoch_end(epoch++, {.loss = 0, .val_loss = loss}) == Next::stop) break;
  callback.on_train_end({});
  return epoch;
}

struct File {
  std::string name;
  File() {
    char path[] = "/tmp/inlay-csv-XXXXXX";
    close(mkstemp(path));
    name = path;
  }
  ~File() { std::remove(name.c_str()); }
  File(const File&) = delete;
  std::string text() const {
    std::string read;
    std::FILE* file = std::fopen(name.c_str(), "r");
    for (int c; (c = std::fgetc(file)) != EOF;) read += static_cast<char>(c);
    std::fclose(file);
    return read;
  }
};

}  // namespace

TEST_CASE("a callback's hooks are called by their names") {
  std::string seen;
  const Callback callback = Recorder{&seen};
  callback.on_train_begin();
  callback.on_epoch_begin(0);
  callback.on_train_batch_end(0, {});
  callback.on_epoch_end(0, {});
  callback.on_train_end({});
  CHECK(seen == "begin epoch0 batch0 end0 done");
}

TEST_CASE("a hook that a callback lacks does nothing") {
  struct OnlyEpochs {
    void on_epoch_end(int, const Logs&) {}
  };
  const Callback callback = OnlyEpochs{};
  CHECK(callback.on_train_begin() == Next::proceed);
  CHECK(callback.on_train_batch_end(0, {}) == Next::proceed);
  CHECK_FALSE(callback.wants_batches());
}

TEST_CASE("a derived class inherits hooks") {
  struct Louder : EarlyStopping {
    void on_train_end(const Logs&) { patience = -1; }
  };
  Louder louder;
  CHECK(train(&louder, {1, 2, 3}) == 2);
  CHECK(louder.patience == -1);
}

TEST_CASE("fit takes lambdas as callbacks in its options") {
  int epochs = 0, batches = 0;
  double last = 0;
  const FitOptions options{.epochs = 2,
                           .callbacks = {on_epoch_end([&](int epoch, const Logs& logs) {
                                           epochs = epoch;
                                           last = logs.loss;
                                         }),
                                         on_train_batch_end([&](int, const Logs&) { ++batches; })}};
  for (const Callback& callback : options.callbacks) {
    callback.on_train_batch_end(0, {});
    callback.on_epoch_end(7, {.loss = 0.5});
  }
  CHECK(epochs == 7);
  CHECK(last == 0.5);
  CHECK(batches == 1);
  CHECK_FALSE(options.callbacks[0].wants_batches());
  CHECK(options.callbacks[1].wants_batches());
}

TEST_CASE("every callback is told, also after one that stops training") {
  std::string seen;
  const std::vector<Callback> callbacks{on_epoch_begin([](int) { return Next::stop; }),
                                        on_epoch_begin([&](int) { seen += "told"; })};
  CHECK(notify(callbacks, [](const Callback& c) { return c.on_epoch_begin(0); }) == Next::stop);
  CHECK(seen == "told");
  CHECK(notify({}, [](const Callback& c) { return c.on_epoch_begin(0); }) == Next::proceed);
}

TEST_CASE("fit options refuse what makes no sense, all at once") {
  CHECK_NOTHROW(FitOptions{}.check());
  CHECK_THROWS_WITH_AS((FitOptions{.epochs = -1, .batch_size = 0}.check()),
                       "fit: epochs is -1, expected at least 0. batch_size is 0, expected at least 1.", Error);
}

TEST_CASE("early stopping stops at the first epoch without improvement") {
  CHECK(train(EarlyStopping{}, {1, 0.9, 0.95, 0.5}) == 3);
}

TEST_CASE("early stopping bears `patience` epochs and starts anew with each improvement") {
  EarlyStopping stopping{.patience = 2};
  CHECK(train(&stopping, {1, 1.1, 0.9, 1, 1, 0.5}) == 5);
  CHECK(stopping.best_epoch == 2);
  CHECK(stopping.best == 0.9);
  CHECK(stopping.stopped_epoch == 4);
  CHECK(train(&stopping, {1, 0.9, 0.8}) == 3);  // a second fit
  CHECK(stopping.stopped_epoch == -1);
}

TEST_CASE("early stopping counts no smaller change than min_delta") {
  CHECK(train(EarlyStopping{.min_delta = 0.1}, {1, 0.95, 0.5}) == 2);
}

TEST_CASE("early stopping maximises an accuracy, and whatever mode says") {
  Callback accuracy = EarlyStopping{.monitor = "accuracy"};
  accuracy.on_train_begin();
  CHECK(accuracy.on_epoch_end(0, {.accuracy = 0.5}) == Next::proceed);
  CHECK(accuracy.on_epoch_end(1, {.accuracy = 0.6}) == Next::proceed);
  CHECK(accuracy.on_epoch_end(2, {.accuracy = 0.55}) == Next::stop);
  CHECK(train(EarlyStopping{.mode = "max"}, {1, 2, 1.5}) == 3);
}

TEST_CASE("early stopping takes NaN for no improvement") {
  CHECK(train(EarlyStopping{.patience = 2}, {NAN, NAN, 1, 0.5}) == 2);
  CHECK(train(EarlyStopping{.patience = 2}, {NAN, 1, 0.5, 0.4}) == 4);
}

TEST_CASE("early stopping waits for start_from_epoch") {
  CHECK(train(EarlyStopping{.start_from_epoch = 3}, {1, 2, 3, 4, 5, 1}) == 5);
}

TEST_CASE("early stopping says what it can monitor") {
  const Callback callback = EarlyStopping{};
  CHECK_THROWS_WITH_AS(callback.on_epoch_end(0, {.loss = 1, .accuracy = 0.5}),
                       "EarlyStopping monitors val_loss, but this fit measures accuracy, loss: give fit a "
                       "validation_data, or monitor one of these.",
                       Error);
  const Callback misspelt = EarlyStopping{.mode = "maximum"};
  CHECK_THROWS_WITH_AS(misspelt.on_train_begin(),
                       "EarlyStopping has mode \"maximum\": expected \"auto\", \"min\" or \"max\".", Error);
}

namespace {

/// Counts what is saved.
struct Saves : ModelInTraining {
  mutable std::vector<std::string> paths;
  void save(const std::string& path) const override { paths.push_back(path); }
};

/// The epochs at which `checkpoint` saves, given each epoch's logs.
std::vector<int> saved_epochs(const Callback& checkpoint, const std::vector<Logs>& epochs) {
  const Saves model;
  std::vector<int> saved;
  checkpoint.set_model(model);
  checkpoint.on_train_begin();
  for (std::size_t epoch = 0; epoch < epochs.size(); ++epoch) {
    const std::size_t before = model.paths.size();
    checkpoint.on_epoch_end(static_cast<int>(epoch), epochs[epoch]);
    if (model.paths.size() > before) saved.push_back(static_cast<int>(epoch));
  }
  for (const std::string& path : model.paths) CHECK(path == "best.safetensors");
  return saved;
}

}  // namespace

TEST_CASE("the best checkpoint saves the epochs that are better than all before") {
  const std::vector<Logs> epochs{{.loss = 4, .accuracy = 0.5, .val_loss = 2, .val_accuracy = 0.4},
                                 {.loss = 3, .accuracy = 0.4, .val_loss = 3, .val_accuracy = 0.6},
                                 {.loss = 2, .accuracy = 0.7, .val_loss = 1, .val_accuracy = 0.6}};
  CHECK(saved_epochs(BestCheckpoint{"best.safetensors"}, epochs) == std::vector<int>{0, 2});
  CHECK(saved_epochs(BestCheckpoint{.filename = "best.safetensors", .monitor = "val_accuracy"}, epochs) ==
        std::vector<int>{0, 1});
  CHECK(saved_epochs(BestCheckpoint{.filename = "best.safetensors", .monitor = "accuracy", .mode = "min"}, epochs) ==
        std::vector<int>{0, 1});
}

TEST_CASE("without validation data the best checkpoint watches the loss, and no epoch of NaN is best") {
  CHECK(saved_epochs(BestCheckpoint{"best.safetensors"}, {{.loss = NAN}, {.loss = 2}, {.loss = NAN}, {.loss = 1}}) ==
        std::vector<int>{1, 3});
}

TEST_CASE("the best checkpoint remembers its best over several fits") {
  BestCheckpoint checkpoint{"best.safetensors"};
  CHECK(saved_epochs(&checkpoint, {{.loss = 2}, {.loss = 3}}) == std::vector<int>{0});
  CHECK(saved_epochs(&checkpoint, {{.loss = 2.5}, {.loss = 1}}) == std::vector<int>{1});
  CHECK(checkpoint.best == 1);
  CHECK(checkpoint.best_epoch == 1);
}

TEST_CASE("the best checkpoint says what it can monitor") {
  CHECK_THROWS_WITH_AS(saved_epochs(BestCheckpoint{.filename = "best.safetensors", .monitor = "val_loss"}, {{}}),
                       "BestCheckpoint monitors val_loss, but this fit measures loss: give fit a validation_data, or "
                       "monitor one of these.",
                       Error);
  CHECK_THROWS_AS(saved_epochs(BestCheckpoint{.filename = "best.safetensors", .mode = "best"}, {}), Error);
}

TEST_CASE("the CSV logger writes a header and a line an epoch") {
  const File file;
  CHECK(train(CSVLogger{file.name}, {0.5, 0.25}) == 2);
  CHECK(file.text() == "epoch,loss,val_loss\n0,0,0.5\n1,0,0.25\n");
  CHECK(train(CSVLogger{.filename = file.name, .append = true}, {0.125}) == 1);
  CHECK(file.text() == "epoch,loss,val_loss\n0,0,0.5\n1,0,0.25\n0,0,0.125\n");
  CHECK(train(CSVLogger{.filename = file.name, .separator = ";"}, {1}) == 1);
  CHECK(file.text() == "epoch;loss;val_loss\n0;0;1\n");
}

TEST_CASE("the CSV logger fails before training if it cannot write") {
  const Callback callback = CSVLogger{"/nonexistent/log.csv"};
  CHECK_THROWS_WITH_AS(callback.on_train_begin(),
                       "CSVLogger cannot write /nonexistent/log.csv: No such file or directory. Give it a file in a "
                       "folder that exists, may be written and has room.",
                       Error);
}
