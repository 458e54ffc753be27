// Places in windows of pooling in two bits each, four to a byte: the kernels that write and read them.
#include "device_run.hpp"

#include <inlay/cuda/pooling.hpp>

using namespace inlay;
using namespace inlay::test;
using kernel::Body, kernel::Elementwise, kernel::Load, kernel::MaxPool, kernel::Result, kernel::Store;

namespace {

template <int H, int W, int C>
using Image = kernel::Strides<H * W * C, H * W * C, W * C, C, 1>;

/// Pooling of H x W x C images to P x Q x C; slots: x, the largest, their places, an image.
template <int H, int W, int C, int P, int Q, class Pool>
struct PoolingOf {
  static constexpr int x_size = H * W * C, y_size = P * Q * C;
  using X = Image<H, W, C>;
  using Y = Image<P, Q, C>;
  using Domain = kernel::Extents<1, H, W, C>;

  using Forward =
      kernel::Pooling<Domain, true, Pool, Body<Load<0, Element::f32, X>>,
                      Body<Result<0>, Store<1, Element::f32, Y, 0>, Result<1>, Store<2, Element::u2, Y, 2>>>;
  using Gathered =
      Elementwise<kernel::Extents<1, P, Q, C>, true,
                  Body<kernel::Gather<0, Element::f32, 2, Element::u2, Pool, X, Y>, Store<3, Element::f32, Y, 0>>>;
  using Scattered =
      Elementwise<Domain, true,
                  Body<kernel::Scatter<1, Element::f32, 2, Element::u2, Pool, Y>, Store<3, Element::f32, X, 0>>>;
  using Spread =
      Elementwise<kernel::Extents<1, P, Q, C>, true, Body<Load<2, Element::u2, Y>, Store<3, Element::f32, Y, 0>>>;

  static void check(int samples) {
    const std::vector<float> x = random_floats(samples * x_size, 1);
    std::vector<float> largest, places, image(x.size(), 0.0f);
    for (int n = 0; n < samples; ++n)
      for (int y = 0; y < y_size; ++y) {
        int best = -1, best_place = 0;
        for (int place = 0; place < Pool::height * Pool::width; ++place) {
          const int h = y / (Q * C) * Pool::stride_h - Pool::pad_top + place / Pool::width;
          const int w = y / C % Q * Pool::stride_w - Pool::pad_left + place % Pool::width;
          if (h < 0 || h >= H || w < 0 || w >= W) continue;
          const int i = n * x_size + (h * W + w) * C + y % C;
          if (best >= 0 && !(at(x, i) > at(x, best))) continue;
          best = i;
          best_place = place;
        }
        largest.push_back(at(x, best));
        places.push_back(static_cast<float>(best_place));
        image[static_cast<std::size_t>(best)] += largest.back();
      }
    const Argument unwritten(std::vector<std::uint8_t>(largest.size() / 4, 0xff), 2);
    const auto pooled =
        run_slots<Forward, 4>(samples, {x, output(samples * y_size), unwritten, output(samples * x_size)});
    CHECK(pooled[1] == largest);
    std::vector<std::uint8_t> packed(largest.size() / 4);
    for (std::size_t i = 0; i < places.size(); ++i)
      packed[i / 4] = static_cast<std::uint8_t>(packed[i / 4] | static_cast<int>(places[i]) << 2 * (i % 4));
    const std::vector<Argument> arguments = {x, largest, {packed, 2}, output(samples * y_size)};
    REQUIRE(pooled[2].size() * 4 == packed.size());
    CHECK(std::memcmp(pooled[2].data(), packed.data(), packed.size()) == 0);
    CHECK(run_slots<Spread, 4>(samples, arguments)[3] == places);
    CHECK(run_slots<Gathered, 4>(samples, arguments)[3] == largest);
    CHECK(run_slots<Scattered, 4>(samples, {x, largest, {packed, 2}, output(samples * x_size)})[3] == image);
  }

 private:
  static float at(const std::vector<float>& v, int i) { return v[static_cast<std::size_t>(i)]; }
};

}  // namespace

TEST_CASE("places of two bits are written, read and gathered by, and name what a gradient reaches") {
  PoolingOf<6, 8, 8, 3, 4, MaxPool<2, 2>>::check(3);
  PoolingOf<5, 4, 12, 5, 1, MaxPool<1, 4>>::check(4);
  PoolingOf<5, 7, 4, 4, 6, MaxPool<2, 2, 1, 1, 0, 0, 4, 6>>::check(3);  // windows that overlap
  PoolingOf<5, 4, 8, 3, 3, MaxPool<2, 2, 2, 2, 1, 1, 3, 3>>::check(2);  // and that reach over the edge
}
