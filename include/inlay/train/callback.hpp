// What `fit` calls while it trains. A callback is any object with one or more of these member functions (Keras' hooks;
// epochs and batches count from 0), or a lambda passed to the function of the same name:
//
//   struct Report {
//     void set_model(const ModelInTraining& model);           // before training; it lives until training ends
//     void on_train_begin();
//     void on_epoch_begin(int epoch);
//     void on_train_batch_end(int batch, const Logs& logs);   // logs: means over the epoch so far
//     Next on_epoch_end(int epoch, const Logs& logs);
//     void on_train_end(const Logs& logs);                    // logs: the last epoch's
//   };
//   model.fit(train, {.callbacks = {Report{}, on_epoch_end([](int epoch, const Logs& logs) { ... })}});
//
// A hook returns nothing, or a Next. A pointer to an object is a callback too, and stays the caller's.
#pragma once

#include <inlay/train/logs.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace inlay {

/// What a hook wants of `fit`. `stop` ends training after this epoch's callbacks, or after this batch.
enum class Next { proceed, stop };

/// What a callback may ask of the model that trains.
struct ModelInTraining {
  virtual ~ModelInTraining() = default;
  /// Model::save.
  virtual void save(const std::string& path) const = 0;
};

namespace callback {

/// The hooks, whatever object has them.
struct Hooks {
  virtual ~Hooks() = default;
  virtual void set_model(const ModelInTraining& model) = 0;
  virtual Next on_train_begin() = 0;
  virtual Next on_epoch_begin(int epoch) = 0;
  virtual Next on_train_batch_end(int batch, const Logs& logs) = 0;
  virtual Next on_epoch_end(int epoch, const Logs& logs) = 0;
  virtual Next on_train_end(const Logs& logs) = 0;
  virtual bool wants_batches() const = 0;
};

/// Calls a hook that returns nothing or a Next.
template <class Call>
Next next(Call call) {
  if constexpr (std::is_void_v<decltype(call())>) return call(), Next::proceed;
  else return call();
}

/// An object's hooks. Those it lacks do nothing; one that takes other arguments is an error, not a hook it lacks.
template <class T>
struct HooksOf : Hooks {
  T object;
  explicit HooksOf(T given) : object(std::move(given)) {}

  auto& self() {
    if constexpr (std::is_pointer_v<T>) return *object;
    else return object;
  }
  using Self = std::remove_pointer_t<T>;

  static constexpr bool has_model = requires(Self s, const ModelInTraining& model) { s.set_model(model); };
  static constexpr bool has_train_begin = requires(Self s) { s.on_train_begin(); };
  static constexpr bool has_epoch_begin = requires(Self s) { s.on_epoch_begin(0); };
  static constexpr bool has_batch_end = requires(Self s, const Logs& logs) { s.on_train_batch_end(0, logs); };
  static constexpr bool has_epoch_end = requires(Self s, const Logs& logs) { s.on_epoch_end(0, logs); };
  static constexpr bool has_train_end = requires(Self s, const Logs& logs) { s.on_train_end(logs); };

  static_assert(
      has_model || !requires { &Self::set_model; }, "set_model takes (const ModelInTraining& model)");
  static_assert(
      has_train_begin || !requires { &Self::on_train_begin; }, "on_train_begin takes no arguments");
  static_assert(
      has_epoch_begin || !requires { &Self::on_epoch_begin; }, "on_epoch_begin takes (int epoch)");
  static_assert(
      has_batch_end || !requires { &Self::on_train_batch_end; },
      "on_train_batch_end takes (int batch, const Logs& logs)");
  static_assert(
      has_epoch_end || !requires { &Self::on_epoch_end; }, "on_epoch_end takes (int epoch, const Logs& logs)");
  static_assert(
      has_train_end || !requires { &Self::on_train_end; }, "on_train_end takes (const Logs& logs)");
  static_assert(has_train_begin || has_epoch_begin || has_batch_end || has_epoch_end || has_train_end,
                "a callback has at least one of the public member functions on_train_begin, on_epoch_begin, "
                "on_train_batch_end, on_epoch_end, on_train_end; pass a lambda to the function of that name");

  void set_model([[maybe_unused]] const ModelInTraining& model) override {
    if constexpr (has_model) self().set_model(model);
  }
  Next on_train_begin() override {
    if constexpr (has_train_begin) return next([&] { return self().on_train_begin(); });
    else return Next::proceed;
  }
  Next on_epoch_begin([[maybe_unused]] int epoch) override {
    if constexpr (has_epoch_begin) return next([&] { return self().on_epoch_begin(epoch); });
    else return Next::proceed;
  }
  Next on_train_batch_end([[maybe_unused]] int batch, [[maybe_unused]] const Logs& logs) override {
    if constexpr (has_batch_end) return next([&] { return self().on_train_batch_end(batch, logs); });
    else return Next::proceed;
  }
  Next on_epoch_end([[maybe_unused]] int epoch, [[maybe_unused]] const Logs& logs) override {
    if constexpr (has_epoch_end) return next([&] { return self().on_epoch_end(epoch, logs); });
    else return Next::proceed;
  }
  Next on_train_end([[maybe_unused]] const Logs& logs) override {
    if constexpr (has_train_end) return next([&] { return self().on_train_end(logs); });
    else return Next::proceed;
  }
  bool wants_batches() const override { return has_batch_end; }
};

}  // namespace callback

/// Any callback. Copies share one object.
class Callback {
 public:
  template <class T>
  requires(!std::is_same_v<T, Callback>) Callback(T object)
      : hooks(std::make_shared<callback::HooksOf<T>>(std::move(object))) {}

  void set_model(const ModelInTraining& model) const { hooks->set_model(model); }
  Next on_train_begin() const { return hooks->on_train_begin(); }
  Next on_epoch_begin(int epoch) const { return hooks->on_epoch_begin(epoch); }
  Next on_train_batch_end(int batch, const Logs& logs) const { return hooks->on_train_batch_end(batch, logs); }
  Next on_epoch_end(int epoch, const Logs& logs) const { return hooks->on_epoch_end(epoch, logs); }
  Next on_train_end(const Logs& logs) const { return hooks->on_train_end(logs); }
  /// False if batches need not be reported: an executor may then run many without waiting for their logs.
  bool wants_batches() const { return hooks->wants_batches(); }

 private:
  std::shared_ptr<callback::Hooks> hooks;
};

/// Calls every callback, in order, also after one that asks to stop:
///   notify(callbacks, [&](const Callback& c) { return c.on_epoch_end(epoch, logs); })
template <class Call>
Next notify(const std::vector<Callback>& callbacks, Call call) {
  Next next = Next::proceed;
  for (const Callback& c : callbacks)
    if (call(c) == Next::stop) next = Next::stop;
  return next;
}

/// A callback that is one lambda, called as the hook of that name.
template <class F>
Callback on_train_begin(F f) {
  struct Hook {
    F f;
    auto on_train_begin() { return f(); }
  };
  return Hook{std::move(f)};
}
template <class F>
Callback on_epoch_begin(F f) {
  struct Hook {
    F f;
    auto on_epoch_begin(int epoch) { return f(epoch); }
  };
  return Hook{std::move(f)};
}
template <class F>
Callback on_train_batch_end(F f) {
  struct Hook {
    F f;
    auto on_train_batch_end(int batch, const Logs& logs) { return f(batch, logs); }
  };
  return Hook{std::move(f)};
}
template <class F>
Callback on_epoch_end(F f) {
  struct Hook {
    F f;
    auto on_epoch_end(int epoch, const Logs& logs) { return f(epoch, logs); }
  };
  return Hook{std::move(f)};
}
template <class F>
Callback on_train_end(F f) {
  struct Hook {
    F f;
    auto on_train_end(const Logs& logs) { return f(logs); }
  };
  return Hook{std::move(f)};
}

}  // namespace inlay
