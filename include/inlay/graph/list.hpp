// A growing array for constant evaluation. `data` is a plain pointer on purpose: compilers bound the steps and
// function calls of one constant evaluation, and indexing a pointer is neither (std::vector's is a call each).
#pragma once

namespace inlay {

template <class T>
struct List {
  T* data = nullptr;
  int size = 0;
  int capacity = 0;

  constexpr List() = default;
  constexpr explicit List(int count) : data(count > 0 ? new T[count]{} : nullptr), size(count), capacity(count) {}
  constexpr List(int count, const T& value) : List(count) {
    for (int i = 0; i < count; ++i) data[i] = value;
  }
  constexpr List(const List& other) : List(other.size) {
    for (int i = 0; i < size; ++i) data[i] = other.data[i];
  }
  constexpr List(List&& other) noexcept : data(other.data), size(other.size), capacity(other.capacity) {
    other.data = nullptr;
    other.size = other.capacity = 0;
  }
  constexpr List& operator=(List other) noexcept {
    T* d = data;
    data = other.data;
    other.data = d;
    size = other.size;
    capacity = other.capacity;
    return *this;
  }
  constexpr ~List() { delete[] data; }

  /// Appends and returns the position.
  constexpr int push(const T& value) {
    if (size == capacity) {
      int larger = capacity < 8 ? 16 : 2 * capacity;
      T* grown = new T[larger]{};
      for (int i = 0; i < size; ++i) grown[i] = data[i];
      delete[] data;
      data = grown;
      capacity = larger;
    }
    data[size] = value;
    return size++;
  }

  constexpr T& operator[](int i) { return data[i]; }
  constexpr const T& operator[](int i) const { return data[i]; }
  constexpr T* begin() { return data; }
  constexpr T* end() { return data + size; }
  constexpr const T* begin() const { return data; }
  constexpr const T* end() const { return data + size; }
};

}  // namespace inlay
