// Tensor and TensorView: storage, element access, value semantics.
#include <cstdint>

#include "check.hpp"

using namespace inlay;

TEST_CASE("a tensor is zero at first and aligned to 64 bytes") {
  Tensor<float, 3, 5> a;
  for (float x : a) CHECK(x == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  CHECK(a.size() == 15);
}

TEST_CASE("elements are row-major, from values or a function") {
  Tensor<float, 2, 3> a{0, 1, 2, 10, 11, 12};
  const auto b = Tensor<float, 2, 3>::from_function([](int i, int j) { return 10 * i + j; });
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) {
      CHECK(a(i, j) == static_cast<float>(10 * i + j));
      CHECK(b(i, j) == a(i, j));
    }
  a(1, 2) = 5;
  CHECK(a.data()[5] == 5);
  a.fill(3);
  CHECK(a(0, 0) == 3);
}

TEST_CASE("missing values are zero, too many are an error") {
  const Tensor<std::int32_t, 4> a{7, 8};
  CHECK(a(1) == 8);
  CHECK(a(3) == 0);
  CHECK_THROWS_AS((Tensor<float, 2>{1, 2, 3}), Error);
}

TEST_CASE("copies are apart, moves keep the elements") {
  Tensor<float, 2> a{1, 2};
  Tensor<float, 2> b = a;
  b(0) = 9;
  CHECK(a(0) == 1);
  const float* elements = b.data();
  Tensor<float, 2> c = std::move(b);
  CHECK(c.data() == elements);
  b = a;  // a tensor moved from may be assigned to
  CHECK(b(1) == 2);
}

TEST_CASE("a view writes somebody else's memory") {
  float memory[6] = {1, 2, 3, 4, 5, 6};
  TensorView<float, 2, 3> view(memory);
  view = view + 1.0f;
  CHECK(memory[5] == 7);
  Tensor<float, 2, 3> copy = view;
  view = -copy;
  CHECK(memory[0] == -2);
  CHECK(copy(0, 0) == 2);
}

TEST_CASE("integer tensors are read as numbers") {
  const Tensor<std::uint8_t, 3> pixels{0, 128, 255};
  const Tensor<float, 3> x = pixels / 255.0f;
  CHECK(x(2) == doctest::Approx(1));
  const Tensor<float, 3> same = pixels;
  CHECK(same(1) == 128);
  const Tensor<float, 3, 1> column = reshape<3, 1>(pixels);
  CHECK(column(2, 0) == 255);
}
