// Tensor: the elements themselves, of a shape known to the compiler, row-major. TensorView has them in somebody
// else's memory. Assigning a formula to either evaluates it.
//
//   Tensor<float, 512, 256> a; Tensor<float, 256, 128> w; Tensor<float, 128> b;
//   Tensor<float, 512, 128> y = relu(matmul(a, w) + b);   // one kernel
#pragma once

#include <initializer_list>
#include <inlay/expr/evaluate.hpp>
#include <inlay/expr/operations.hpp>
#include <memory>
#include <new>

namespace inlay {

namespace error {
template <class Destination, class Got>
struct assigned_formula_has_another_shape;
}  // namespace error

namespace expr {

/// What Tensor and TensorView share: elements at self().data().
template <class Self, class T, int... Extents>
class Elements {
 public:
  using value_type = T;
  static constexpr Shape shape = shape_of(Extents...);
  static constexpr int rank = sizeof...(Extents);

  static constexpr int size() { return static_cast<int>(shape.count()); }

  auto begin() const { return self().data(); }
  auto end() const { return self().data() + size(); }
  auto begin() { return self().data(); }
  auto end() { return self().data() + size(); }

  /// The element at the coordinates, which are not checked.
  template <class... I>
  auto& operator()(I... i) const {
    return self().data()[position(i...)];
  }
  template <class... I>
  auto& operator()(I... i) {
    return self().data()[position(i...)];
  }
  void fill(T value) {
    for (T& element : *this) element = value;
  }
  Leaf<T, Extents...> leaf() const { return {self().data()}; }

 protected:
  /// Evaluates a formula of this shape, or of one that differs by extents of 1 only.
  template <Node E>
  void evaluate(const E& formula) {
    static_assert(std::is_same_v<T, float>, "formulas are evaluated in float");
    error::require<
        same_but_for_ones(E::Result::shape),
        error::assigned_formula_has_another_shape<error::got<Extents...>, error::got_t<typename E::Result>>>();
    expr::assign(self().data(), formula);
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  const Self& self() const { return static_cast<const Self&>(*this); }

  template <class... I>
  static constexpr std::int64_t position(I... i) {
    static_assert(sizeof...(I) == rank, "as many coordinates as the tensor has axes");
    std::int64_t p = 0;
    int axis = 0;
    ((p = p * shape.extents[axis++] + static_cast<std::int64_t>(i)), ...);
    return p;
  }

  static consteval bool same_but_for_ones(const Shape& other) {
    int i = 0, j = 0;
    for (;; ++i, ++j) {
      while (i < shape.rank && shape.extents[i] == 1) ++i;
      while (j < other.rank && other.extents[j] == 1) ++j;
      if (i >= shape.rank || j >= other.rank) return i >= shape.rank && j >= other.rank;
      if (shape.extents[i] != other.extents[j]) return false;
    }
  }
};

}  // namespace expr

/// Owns its elements: 64-byte aligned, zero at first. A tensor moved from may only be assigned to or destroyed.
template <class T, int... Extents>
class Tensor : public expr::Elements<Tensor<T, Extents...>, T, Extents...> {
  using Base = expr::Elements<Tensor, T, Extents...>;

 public:
  static constexpr bool is_view = false;

  Tensor() : elements(allocate()) {}
  Tensor(const Tensor& other) : Tensor() { copy(other); }
  Tensor(Tensor&&) noexcept = default;
  /// Elements in row-major order; those that are missing are zero.
  Tensor(std::initializer_list<T> values) : Tensor() {
    if (values.size() > static_cast<std::size_t>(Base::size())) throw Error("Tensor: more values than elements");
    std::size_t i = 0;
    for (const T& value : values) elements[i++] = value;
  }
  /// The value of a formula, or a copy of a view or of a tensor of another element type.
  template <expr::Operand E>
  requires(!std::is_same_v<E, Tensor>) Tensor(const E& formula) : Tensor() { this->evaluate(expr::node(formula)); }
  /// The tensor of f(i, j, ...).
  template <class F>
  static Tensor from_function(F f) {
    Tensor result;
    int at[max_rank] = {};
    for (T& element : result) {
      element = static_cast<T>(call(f, at, std::make_integer_sequence<int, Base::rank>{}));
      for (int axis = Base::rank - 1; axis >= 0 && ++at[axis] == Base::shape.extents[axis]; --axis) at[axis] = 0;
    }
    return result;
  }

  Tensor& operator=(const Tensor& other) {
    if (this != &other) {
      if (elements == nullptr) elements.reset(allocate());
      copy(other);
    }
    return *this;
  }
  Tensor& operator=(Tensor&&) noexcept = default;
  template <expr::Operand E>
  requires(!std::is_same_v<E, Tensor>) Tensor& operator=(const E& formula) {
    if (elements == nullptr) elements.reset(allocate());
    this->evaluate(expr::node(formula));
    return *this;
  }
  template <class Other>
  requires expr::Operands<Tensor&, Other> Tensor& operator+=(Other&& other) {
    return *this = *this + std::forward<Other>(other);
  }
  template <class Other>
  requires expr::Operands<Tensor&, Other> Tensor& operator-=(Other&& other) {
    return *this = *this - std::forward<Other>(other);
  }
  template <class Other>
  requires expr::Operands<Tensor&, Other> Tensor& operator*=(Other&& other) {
    return *this = *this * std::forward<Other>(other);
  }

  T* data() { return elements.get(); }
  const T* data() const { return elements.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(T* p) const { ::operator delete(p, alignment); }
  };
  std::unique_ptr<T[], Free> elements;

  static T* allocate() {
    constexpr std::size_t count = static_cast<std::size_t>(Base::size());
    T* p = static_cast<T*>(::operator new(count * sizeof(T), alignment));
    std::uninitialized_value_construct_n(p, count);
    return p;
  }
  void copy(const Tensor& other) {
    for (int i = 0; i < Base::size(); ++i) elements[static_cast<std::size_t>(i)] = other.data()[i];
  }
  template <class F, int... I>
  static auto call(F& f, const int* at, std::integer_sequence<int, I...>) {
    return f(at[I]...);
  }
};

/// `Tensor y = formula;`
template <class Operation, Element E, int... Extents, class... Operands>
Tensor(const expr::Expression<Operation, Symbol<E, false, Extents...>, Operands...>&) -> Tensor<float, Extents...>;

/// Elements that somebody else owns. A copy is another view of them; assignment writes them.
template <class T, int... Extents>
class TensorView : public expr::Elements<TensorView<T, Extents...>, T, Extents...> {
 public:
  static constexpr bool is_view = true;

  explicit TensorView(T* first) : elements(first) {}
  TensorView(const TensorView&) = default;
  TensorView& operator=(const TensorView& other) {
    this->evaluate(other.leaf());
    return *this;
  }
  template <expr::Operand E>
  TensorView& operator=(const E& formula) {
    this->evaluate(expr::node(formula));
    return *this;
  }

  T* data() const { return elements; }

 private:
  T* elements;
};

using expr::value;

}  // namespace inlay
