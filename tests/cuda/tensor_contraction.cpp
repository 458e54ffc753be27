// Contractions on tensor cores, in the three precisions.
#include "contraction_check.hpp"

#include <set>

using namespace inlay;
using namespace inlay::test;

namespace {

template <class G>
void check_all(const char* what, int samples) {
  check<G, Precision::bf16>(what, samples);
  check<G, Precision::fp16>(what, samples);
  check<G, Precision::tf32>(what, samples);
}

/// Does a warp write its words to 32 banks, and does it load the chunks of 8 lines from different banks?
template <bool AlongDepth>
bool banks_differ() {
  using Walk = inlay::cuda::TensorWalk<inlay::cuda::under_policy_t<Precision::bf16, Forward<Square<8, 8, 16, 16, 3>>>>;
  for (int warp = 0; warp < 4; ++warp) {
    std::set<int> banks;
    for (int thread = 32 * warp; thread < 32 * warp + 32; ++thread) {
      const int word = Walk::word_of<AlongDepth>(thread), line = Walk::line_of<AlongDepth>(thread);
      banks.insert((4 * Walk::chunk_at(line, word / 4) + word % 4) % 32);
    }
    if (banks.size() != 32) return false;
  }
  for (int chunk = 0; chunk < 4; ++chunk) {
    std::set<int> banks;
    for (int line = 0; line < 8; ++line) banks.insert(Walk::chunk_at(line, chunk) % 8);
    if (banks.size() != 8) return false;
  }
  return true;
}

/// The weight gradient alone: forward and data gradient of these shapes are checked elsewhere.
template <class G, Precision P>
void check_weights(const char* what, int samples, Bound bound, std::vector<float> (*numbers)(int, std::uint32_t)) {
  CAPTURE(what);
  CAPTURE(name_of(P));
  const auto x = numbers(samples * G::H * G::W * G::C, 1), dy = numbers(samples * G::P * G::Q * G::K, 2);
  Sums dw(G::R * G::S * G::C * G::K), db(G::K);
  each_product<G>(samples, [&](int xi, int wi, int yi) {
    dw.add(wi, double{x[static_cast<std::size_t>(xi)]}, double{dy[static_cast<std::size_t>(yi)]});
  });
  for (std::size_t i = 0; i < dy.size(); ++i) db.add(static_cast<int>(i) % G::K, double{dy[i]}, 1);
  const std::vector<Argument> arguments{{x}, {dy}, output(G::R * G::S * G::C * G::K), output(G::K)};
  using Kernel = inlay::cuda::under_policy_t<P, WeightGradient<G>>;
  const auto results = run_kernel<Kernel>(samples, arguments);
  CHECK(worst(results[2], dw, bound, samples * G::P * G::Q) <= 1);
  CHECK(worst(results[3], db, bound.unrounded(), samples * G::P * G::Q) <= 1);
  CHECK(run_kernel<Kernel>(samples, arguments) == results);
}

template <class G, Precision P>
constexpr bool all_taps = inlay::cuda::Product<inlay::cuda::under_policy_t<P, WeightGradient<G>>>::all_taps;

/// All taps at once in bf16 and fp16; of tf32 that walk knows nothing.
template <class G>
void check_taps(const char* what, int samples) {
  static_assert(all_taps<G, Precision::bf16> && all_taps<G, Precision::fp16>);
  static_assert(!all_taps<G, Precision::tf32> && !all_taps<G, Precision::fp32>);
  if (device_has(Precision::bf16)) {
    check_weights<G, Precision::bf16>(what, samples, bound_of(Precision::bf16), random_floats);
    check_weights<G, Precision::bf16>(what, samples, {}, small_integers);
  }
  if (device_has(Precision::fp16)) {
    check_weights<G, Precision::fp16>(what, samples, bound_of(Precision::fp16), random_floats);
    check_weights<G, Precision::fp16>(what, samples, {}, small_integers);
  }
}

/// Do the lanes of each half of a warp write their pairs of words to 32 banks, and does a warp load the chunks of 8
/// positions, wherever they begin, from different banks?
template <class Lines, int Threads, int Positions>
bool banks_of_positions_differ() {
  for (int first = 0; first < Threads; first += 16)
    for (int i = 0; i < Lines::each; ++i) {
      std::set<int> banks;
      for (int thread = first; thread < first + 16; ++thread)
        for (int word = 0; word < 2; ++word) banks.insert((Lines::word_at(0, thread, i) + word) % 32);
      if (banks.size() != 32) return false;
    }
  for (int first = 0; first < Positions; ++first)
    for (int chunk = 0; chunk < Lines::chunks; ++chunk) {
      std::set<int> banks;
      for (int row = 0; row < 8; ++row) banks.insert(Lines::chunk_at((first + row) % Positions, chunk) % 8);
      if (banks.size() != 8) return false;
    }
  return true;
}
template <class G>
bool banks_of_taps_differ() {
  using Walk = inlay::cuda::TapsWalk<inlay::cuda::under_policy_t<Precision::bf16, WeightGradient<G>>>;
  using Tile = typename Walk::T;
  return banks_of_positions_differ<typename Walk::X, Tile::threads, Tile::x_positions>() &&
         banks_of_positions_differ<typename Walk::Dy, Tile::threads, Tile::dy_positions>();
}

/// Is position i + r * pitch + s of x what tap (r, s) multiplies with position i of dy, for all i? Counts images as
/// TapsTile says, on numbers that tell elements apart.
template <class G>
bool stream_is_correlation() {
  using Tile = inlay::cuda::TapsTile<G>;
  constexpr int samples = 2, total = samples * Tile::positions;
  struct Element {
    int sample, row, column;
    bool inside;
  };
  auto at = [](int position, int pad_top, int pad_left, int height, int width, int in_stripe) -> Element {
    const int sample = position / Tile::positions, stripe = position % Tile::positions / (Tile::rows * Tile::pitch);
    const int row = position % (Tile::rows * Tile::pitch) / Tile::pitch - pad_top;
    const int place = position % Tile::pitch, column = stripe * Tile::stripe_columns + place - pad_left;
    return {sample, row, column,
            sample < samples && row >= 0 && row < height && column >= 0 && column < width && place < in_stripe};
  };
  int pixels = 0;
  for (int i = 0; i < total; ++i) {
    const Element dy = at(i, 0, 0, G::P, G::Q, Tile::stripe_columns);
    if (!dy.inside) continue;
    ++pixels;
    for (int r = 0; r < G::R; ++r)
      for (int s = 0; s < G::S; ++s) {
        const Element x = at(i + r * Tile::pitch + s, G::pad_top, G::pad_left, G::H, G::W, Tile::pitch);
        const int row = dy.row + r - G::pad_top, column = dy.column + s - G::pad_left;
        const bool inside = row >= 0 && row < G::H && column >= 0 && column < G::W;
        if (x.inside != inside) return false;
        if (inside && (x.sample != dy.sample || x.row != row || x.column != column)) return false;
      }
  }
  return pixels == samples * G::P * G::Q;
}

}  // namespace

TEST_CASE("tiles for tensor cores are written and loaded without bank conflicts") {
  CHECK(banks_differ<true>());
  CHECK(banks_differ<false>());
}

TEST_CASE("convolutions on tensor cores agree with the loop, forward and both gradients") {
  check_all<Square<5, 7, 3, 5, 1>>("1x1, nothing a multiple of anything", 3);
  check_all<Square<7, 9, 5, 10, 3, 3, 1>>("3x3 same, odd image", 2);
  check_all<Square<8, 8, 1, 33, 3, 3, 1>>("one channel in, 33 out", 3);
  check_all<Square<9, 10, 33, 70, 3, 3, 1>>("two tiles of columns, several of rows", 2);
  check_all<Square<9, 11, 3, 17, 3, 3, 1, 2>>("stride 2", 2);
  check_all<Square<11, 13, 2, 3, 3, 3, 1, 2, 2>>("stride 2 and dilation 2, rows left over", 2);
  check_all<Square<6, 7, 6, 9, 3, 3, 1, 1, 1, 3>>("three groups", 2);
  check_all<Square<5, 5, 8, 8, 3, 3, 1, 1, 1, 8>>("depthwise", 3);
}

TEST_CASE("dense layers on tensor cores agree with the loop, also where the depth is split") {
  check_all<Square<1, 1, 7, 10, 1>>("small", 5);
  check_all<Square<1, 1, 64, 10, 1>>("more samples than a tile has rows", 70);
  check_all<Square<1, 1, 1000, 40, 1>>("deep", 3);
}

TEST_CASE("a weight gradient on tensor cores is split into parts, and has the same bits twice") {
  using G = Square<12, 12, 4, 8, 3, 3, 1>;
  using Kernel = inlay::cuda::under_policy_t<Precision::bf16, WeightGradient<G>>;
  CHECK(inlay::cuda::Product<Kernel>::splits(8) > 2);
  check_all<G>("8 samples of 12 x 12", 8);
  if (!device_has(Precision::bf16)) return;
  const auto x = random_floats(8 * 12 * 12 * 4, 1), dy = random_floats(8 * 12 * 12 * 8, 2);
  const std::vector<Argument> arguments{{x}, {dy}, output(9 * 4 * 8), output(8)};
  CHECK(run_kernel<Kernel>(8, arguments) == run_kernel<Kernel>(8, arguments));
}

TEST_CASE("a weight gradient on tensor cores with enough tiles is finished in the kernel that multiplies") {
  using G = Square<1, 1, 8192, 65, 1>;
  CHECK(!inlay::cuda::Product<inlay::cuda::under_policy_t<Precision::bf16, WeightGradient<G>>>::split);
  check<G, Precision::bf16>("8192 x 65", 3);
}

TEST_CASE("a batch is a stream of positions in which taps are distances") {
  CHECK(inlay::cuda::TapsTile<Square<28, 28, 64, 64, 3, 3, 1>>::positions == 29 * 29);
  CHECK(stream_is_correlation<Square<28, 28, 64, 64, 3, 3, 1>>());
  CHECK(stream_is_correlation<Square<5, 7, 8, 8, 3, 3, 0>>());
  CHECK(stream_is_correlation<Square<5, 7, 8, 8, 3, 3, 2>>());
  CHECK(stream_is_correlation<Square<6, 9, 8, 8, 5, 5, 2>>());
  CHECK(stream_is_correlation<Square<6, 9, 8, 8, 2, 3, 1>>());
  CHECK(stream_is_correlation<Square<6, 9, 8, 8, 4, 1, 0>>());
  CHECK(stream_is_correlation<kernel::Geometry<6, 9, 8, 6, 9, 8, 4, 2, 1, 1, 1, 0, 1, 1, 1>>());  // padding after
  CHECK(stream_is_correlation<kernel::Geometry<6, 9, 8, 6, 9, 8, 4, 2, 1, 1, 3, 1, 1, 1, 1>>());  // and before
  CHECK(inlay::cuda::TapsTile<Square<5, 200, 64, 64, 3, 3, 1>>::stripes > 2);
  CHECK(stream_is_correlation<Square<5, 200, 64, 64, 3, 3, 1>>());
}

TEST_CASE("positions for all taps are written and loaded without bank conflicts") {
  CHECK(banks_of_taps_differ<Square<28, 28, 64, 64, 3, 3, 1>>());  // 64 x 64 channels
  CHECK(banks_of_taps_differ<Square<28, 28, 32, 64, 3, 3, 1>>());  // 32 x 64
  CHECK(banks_of_taps_differ<Square<28, 28, 16, 16, 3, 3, 1>>());  // 16 x 16
  CHECK(banks_of_taps_differ<Square<28, 28, 16, 32, 3, 3, 1>>());  // 16 x 32
  CHECK(banks_of_taps_differ<Square<28, 28, 64, 64, 5, 5, 2>>());  // 5 rows of taps
}

TEST_CASE("weight gradients of all taps at once agree with the loop, and have the same bits twice") {
  check_taps<Square<9, 11, 8, 5, 3, 3, 1>>("8 to 5 channels", 3);
  check_taps<Square<9, 10, 33, 70, 3, 3, 1>>("two tiles of dy, both partial", 2);
  check_taps<Square<6, 7, 70, 33, 3, 3, 1>>("two tiles of x, both partial", 3);
  check_taps<Square<7, 9, 64, 64, 3, 3, 1>>("whole tiles", 3);
  check_taps<Square<4, 3, 20, 24, 3, 3, 1>>("images smaller than a step", 12);
  check_taps<Square<28, 28, 9, 16, 3, 3, 1>>("an image longer than many steps, several parts", 2);
  check_taps<Square<9, 8, 17, 9, 3, 3, 0>>("no padding", 2);
  check_taps<Square<5, 6, 12, 40, 3, 3, 2>>("more padding than keeps the size", 2);
  check_taps<Square<9, 7, 40, 40, 5, 5, 2>>("5x5", 2);
  check_taps<Square<12, 9, 24, 20, 7, 7, 3>>("7x7", 1);
  check_taps<Square<9, 7, 40, 40, 2, 2, 0>>("2x2", 2);
  check_taps<Square<9, 7, 40, 20, 3, 1, 0>>("3x1", 2);
  check_taps<Square<9, 7, 20, 40, 1, 3, 0>>("1x3", 2);
  check_taps<Square<2, 150, 33, 33, 3, 3, 1>>("a wide image, cut into stripes", 1);
}

TEST_CASE("warpgroups sum all taps of 64 x 64 channels") {
  using inlay::cuda::TapsWalk, inlay::cuda::under_policy_t;
  CHECK(TapsWalk<under_policy_t<Precision::bf16, WeightGradient<Square<7, 9, 64, 64, 3, 3, 1>>>>::by_warpgroups);
  CHECK(TapsWalk<under_policy_t<Precision::fp16, WeightGradient<Square<9, 7, 40, 40, 2, 2, 0>>>>::by_warpgroups);
  CHECK(!TapsWalk<under_policy_t<Precision::bf16, WeightGradient<Square<28, 28, 32, 64, 3, 3, 1>>>>::by_warpgroups);
}
TEST_CASE("all taps are summed at once where that pays") {
  CHECK(inlay::cuda::TapsTile<Square<28, 28, 64, 64, 3, 3, 1>>::inputs == 64);
  CHECK(inlay::cuda::TapsTile<Square<28, 28, 64, 64, 3, 3, 1>>::outputs == 64);
  CHECK(inlay::cuda::Product<
            inlay::cuda::under_policy_t<Precision::bf16, WeightGradient<Square<28, 28, 9, 16, 3, 3, 1>>>>::splits(2) >
        2);
  CHECK(!all_taps<Square<28, 28, 3, 64, 3, 3, 1>, Precision::bf16>);            // few channels
  CHECK(!all_taps<Square<28, 28, 64, 64, 1>, Precision::bf16>);                 // one tap
  CHECK(!all_taps<Square<28, 28, 64, 64, 3, 3, 1, 2>, Precision::bf16>);        // stride
  CHECK(!all_taps<Square<28, 28, 64, 64, 3, 3, 1, 1, 2>, Precision::bf16>);     // dilation
  CHECK(!all_taps<Square<28, 28, 64, 64, 3, 3, 1, 1, 1, 2>, Precision::bf16>);  // groups
  CHECK(!all_taps<Square<2, 2, 64, 64, 3, 3, 1>, Precision::bf16>);             // tiny images
}
