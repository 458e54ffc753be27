// Element types of values in memory. Arithmetic is always carried out in the executor's own type (float on
// the CPU and in CUDA, double in the reference interpreter); an element type says how a value is stored.
#pragma once

#include <inlay/core/bfloat16.hpp>
#include <inlay/core/float16.hpp>

#include <cstdint>

namespace inlay {

/// u2: 0 to 3, four to a byte; the first is in its lowest bits.
enum class Element : std::uint8_t { f32, u8, i32, bf16, f16, u2 };

/// Is a number rounded when it is stored?
constexpr bool is_narrow(Element element) { return element == Element::bf16 || element == Element::f16; }

/// Bits of one stored element.
constexpr int bits_of(Element element) {
  return element == Element::u2 ? 2 : element == Element::u8 ? 8 : is_narrow(element) ? 16 : 32;
}
/// Bytes of `count` stored elements, the last one whole.
constexpr std::int64_t bytes_of(Element element, std::int64_t count) { return (count * bits_of(element) + 7) / 8; }

namespace detail {
template <Element>
struct StorageOf;
template <>
struct StorageOf<Element::f32> {
  using type = float;
};
template <>
struct StorageOf<Element::u8> {
  using type = std::uint8_t;
};
template <>
struct StorageOf<Element::i32> {
  using type = std::int32_t;
};
template <>
struct StorageOf<Element::bf16> {
  using type = Bfloat16;
};
template <>
struct StorageOf<Element::f16> {
  using type = Float16;
};
template <>
struct StorageOf<Element::u2> {
  using type = std::uint8_t;
};
template <class T>
struct ElementOf;
template <>
struct ElementOf<float> {
  static constexpr Element value = Element::f32;
};
template <>
struct ElementOf<std::uint8_t> {
  static constexpr Element value = Element::u8;
};
template <>
struct ElementOf<std::int32_t> {
  static constexpr Element value = Element::i32;
};
template <>
struct ElementOf<Bfloat16> {
  static constexpr Element value = Element::bf16;
};
template <>
struct ElementOf<Float16> {
  static constexpr Element value = Element::f16;
};
}  // namespace detail

/// The C++ type that stores an element (of u2 four): float, std::uint8_t, std::int32_t, Bfloat16 or Float16.
template <Element E>
using storage_t = typename detail::StorageOf<E>::type;

/// The element type that stores a C++ type.
template <class T>
inline constexpr Element element_of = detail::ElementOf<T>::value;

}  // namespace inlay
