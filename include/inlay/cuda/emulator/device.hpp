// The emulator's body of cuda/device.hpp: the same names, each access checked (report.hpp, shadow.hpp), each
// barrier and warp operation a meeting of fibres (block.hpp). Defaulted arguments name the caller's source line.
#pragma once

#include <cstring>
#include <inlay/cuda/emulator/block.hpp>
#include <type_traits>

#define INLAY_DEVICE inline

namespace inlay::cuda {

inline int thread_index() { return emulator::running.thread; }
inline int block_threads() { return emulator::running.threads; }
inline Dim3 block_index() { return emulator::running.block; }
inline Dim3 grid_size() { return emulator::running.grid; }

inline void sync_threads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  emulator::Machine::mine().wait(emulator::Stop::block_barrier, "sync_threads", file, line);
}

inline void sync_warp(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  emulator::Machine::mine().wait(emulator::Stop::warp_operation, "sync_warp", file, line);
}

namespace emulator {

/// Every lane gives a value, and all go on when all have: then f(slot) reads any lane's.
template <class T>
class Exchange {
 public:
  Exchange(const T& value, const char* operation, const char* file, int line) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0 && sizeof(T) <= Machine::exchange_bytes,
                  "lanes exchange values of whole words");
    sequence = running.warp_sequence++;
    std::memcpy(machine.exchange(sequence, running.thread % 32), &value, sizeof(T));
    machine.wait(Stop::warp_operation, operation, file, line);
  }

  T of_lane(int lane) const {
    T value;
    std::memcpy(&value, machine.exchange(sequence, lane), sizeof(T));
    return value;
  }
  const T& in_lane(int lane) const { return *reinterpret_cast<const T*>(machine.exchange(sequence, lane)); }

 private:
  Machine& machine = Machine::mine();
  int sequence;
};

}  // namespace emulator

template <class T>
T shuffle(T value, int source_lane, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return emulator::Exchange<T>(value, "shuffle", file, line).of_lane(source_lane & 31);
}

template <class T>
T shuffle_xor(T value, int mask, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return emulator::Exchange<T>(value, "shuffle_xor", file, line).of_lane((thread_index() ^ mask) & 31);
}

template <class T>
T shuffle_down(T value, int lanes, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const int lane = thread_index() % 32, source = lane + lanes;
  return emulator::Exchange<T>(value, "shuffle_down", file, line).of_lane(source < 32 ? source : lane);
}

inline std::uint32_t ballot(bool predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const emulator::Exchange<std::uint32_t> votes(predicate, "ballot", file, line);
  std::uint32_t result = 0;
  for (int lane = 0; lane < 32; ++lane) result |= votes.of_lane(lane) << lane;
  return result;
}

inline int atomic_add(int* address, int value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }
inline void replace_bits(std::uint8_t* address, unsigned mask, unsigned bits) {
  __atomic_fetch_and(address, static_cast<std::uint8_t>(~mask), __ATOMIC_RELAXED);
  __atomic_fetch_or(address, static_cast<std::uint8_t>(bits), __ATOMIC_RELAXED);
}
inline void thread_fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

namespace detail {

inline void check_bounds(const char* memory, std::int64_t index, int elements, std::int64_t count) {
  if (index < 0 || index > count - elements) [[unlikely]]
    emulator::report_index(memory, index, elements, count);
}

}  // namespace detail

template <class T>
class Global {
 public:
  Global() = default;
  Global(T* data, std::int64_t length) : elements(data), count(length) {}
  template <class U>
  requires std::is_same_v<const U, T> Global(const Global<U>& other) : elements(other.elements), count(other.count) {}

  T& operator[](std::int64_t i) const {
    detail::check_bounds("global", i, 1, count);
    return elements[i];
  }

  auto load2(std::int64_t i) const { return vector<2>(i); }
  auto load4(std::int64_t i) const { return vector<4>(i); }
  void store2(std::int64_t i, const Vector<std::remove_const_t<T>, 2>& v) const { vector<2>(i) = v; }
  void store4(std::int64_t i, const Vector<std::remove_const_t<T>, 4>& v) const { vector<4>(i) = v; }

  T load_invariant(std::int64_t i) const { return (*this)[i]; }

  Global from(std::int64_t i) const {
    if (i < 0 || i > count) emulator::report_index("global", i, 1, count);
    return {elements + i, count - i};
  }

 private:
  template <class>
  friend class Global;

  template <int N>
  auto& vector(std::int64_t i) const {
    using V = std::conditional_t<std::is_const_v<T>, const Vector<std::remove_const_t<T>, N>, Vector<T, N>>;
    detail::check_bounds("global", i, N, count);
    if (reinterpret_cast<std::uintptr_t>(elements + i) % alignof(V) != 0) [[unlikely]]
      emulator::report_alignment("global", i, N);
    return *reinterpret_cast<V*>(elements + i);
  }

  T* elements = nullptr;
  std::int64_t count = 0;
};

template <class T>
class Shared {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_const_v<T>);

  template <class V>
  static V read(const Shared& array, int i) {
    const std::size_t at = array.checked<V>(i);
    emulator::Machine::access<V, false>(at);
    V value;
    std::memcpy(&value, emulator::running.shared + at, sizeof(V));
    return value;
  }

  template <class V>
  static void write(const Shared& array, int i, const V& value) {
    const std::size_t at = array.checked<V>(i);
    emulator::Machine::access<V, true>(at);
    std::memcpy(emulator::running.shared + at, &value, sizeof(V));
  }

 public:
  /// Stands for one element. It cannot be kept (`auto x = s[i]` gives no usable x): name the value's type.
  class Element {
   public:
    operator T() && { return read<T>(array, i); }
    void operator=(const T& value) && { write<T>(array, i, value); }
    void operator=(Element&& other) && { write<T>(array, i, read<T>(other.array, other.i)); }
    void operator+=(const T& value) && { write<T>(array, i, read<T>(array, i) + value); }
    void operator-=(const T& value) && { write<T>(array, i, read<T>(array, i) - value); }
    void operator*=(const T& value) && { write<T>(array, i, read<T>(array, i) * value); }

   private:
    friend class Shared;
    Element(const Shared& of, int at) : array(of), i(at) {}
    const Shared& array;
    int i;
  };

  Element operator[](int i) const { return {*this, i}; }

  Vector<T, 2> load2(int i) const { return read<Vector<T, 2>>(*this, i); }
  Vector<T, 4> load4(int i) const { return read<Vector<T, 4>>(*this, i); }
  void store2(int i, const Vector<T, 2>& v) const { write(*this, i, v); }
  void store4(int i, const Vector<T, 4>& v) const { write(*this, i, v); }

  std::size_t address(int i) const { return checked<T>(i); }

 private:
  template <class U>
  friend Shared<U> shared_array(int byte_offset, int count);
  Shared(int byte_offset, int length) : offset(byte_offset), count(length) {}

  /// The byte offset of elements i, i + 1, ... that make a V.
  template <class V>
  std::size_t checked(int i) const {
    constexpr int n = sizeof(V) / sizeof(T);
    detail::check_bounds("shared", i, n, count);
    const std::size_t at = static_cast<std::size_t>(offset) + static_cast<std::size_t>(i) * sizeof(T);
    if (at % alignof(V) != 0) [[unlikely]]
      emulator::report_alignment("shared", i, n);
    return at;
  }

  int offset, count;
};

template <class T>
Shared<T> shared_array(int byte_offset, int count) {
  const std::int64_t end = byte_offset + std::int64_t{count} * static_cast<std::int64_t>(sizeof(T));
  if (byte_offset < 0 || count < 0 || end > static_cast<std::int64_t>(emulator::running.shared_bytes))
    emulator::report("a shared array of bytes " + std::to_string(byte_offset) + " to " + std::to_string(end) +
                     ", but the launch gave the block " + std::to_string(emulator::running.shared_bytes));
  if (static_cast<std::size_t>(byte_offset) % alignof(T) != 0)
    emulator::report("a shared array starts at byte " + std::to_string(byte_offset) +
                     ", which is not a multiple of its elements' alignment " + std::to_string(alignof(T)));
  return Shared<T>(byte_offset, count);
}

}  // namespace inlay::cuda
