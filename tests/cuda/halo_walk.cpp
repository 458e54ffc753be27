// Convolutions whose operand is read from a halo tile: against the loop, and what halo_tile.hpp says about the tile.
#include "contraction_check.hpp"

#include <array>
#include <set>
#include <type_traits>

using namespace inlay;
using namespace inlay::test;
using inlay::cuda::HaloTile, inlay::cuda::Pixel, inlay::cuda::under_policy_t;

namespace {

template <Precision P, class Contraction>
constexpr bool takes_halo = [] {
  using Kernel = under_policy_t<P, Contraction>;
  return std::is_same_v<typename inlay::cuda::Multiply<Kernel>::Walk, inlay::cuda::HaloWalk<Kernel>>;
}();
template <Precision P, class Contraction>
constexpr int slabs = HaloTile<under_policy_t<P, Contraction>>::slabs;

template <class G, Precision P>
void check_halo_in(const char* what, int samples) {
  static_assert(takes_halo<P, Forward<G>> && takes_halo<P, DataGradient<G>>);
  check<G, P>(what, samples);
}
template <class G>
void check_halo(const char* what, int samples) {
  check_halo_in<G, Precision::bf16>(what, samples);
  check_halo_in<G, Precision::fp16>(what, samples);
  check_halo_in<G, Precision::tf32>(what, samples);
}

// --- bodies around the sums

/// A of x + 1, which is not 0 where x is.
template <class Index>
using PlusOne =
    kernel::Body<kernel::Load<0, Element::f32, Index>, kernel::Constant<0x3f800000>, kernel::Apply<MapOp::add, 0, 1>>;
template <class G>
using ForwardOfMore =
    kernel::Contraction<Mode::forward, G, true, PlusOne<X<G>>, Read<1, Weights<G>>, kernel::Epilogue<Write<2, Y<G>>>>;

/// Strides of y after pooling by Height x Width.
template <class G, int Height, int Width>
using Pooled = kernel::Strides<(G::P / Height) * (G::Q / Width) * G::K, (G::P / Height) * (G::Q / Width) * G::K,
                               (G::Q / Width) * G::K, G::K, 1>;
template <class G, int Height, int Width>
using ForwardPooled = kernel::Contraction<
    Mode::forward, G, true, Read<0, X<G>>, Read<1, Weights<G>>,
    kernel::Epilogue<Write<2, Y<G>>, kernel::MaxPool<Height, Width>, Write<3, Pooled<G, Height, Width>>>>;
/// dy is what pooling by 2 x 2 makes of its gradient.
template <class G>
using DataGradientPooled = kernel::Contraction<
    Mode::data_gradient, G, true,
    kernel::Body<kernel::Scatter<0, Element::f32, 3, Element::u8, kernel::MaxPool<2, 2>, Pooled<G, 2, 2>>>,
    Read<1, Weights<G>>, kernel::Epilogue<Write<2, X<G>>>>;

double at(const std::vector<float>& v, int i) { return double{v[static_cast<std::size_t>(i)]}; }

template <class G>
constexpr int x_size = G::H* G::W* G::C;
template <class G>
constexpr int y_size = G::P* G::Q* G::K;
template <class G>
constexpr int w_size = G::R* G::S*(G::C / G::groups) * G::K;

template <class G, Precision P>
void check_padding(int samples) {
  using Kernel = under_policy_t<P, ForwardOfMore<G>>;
  static_assert(takes_halo<P, ForwardOfMore<G>>);
  if (!device_has(P)) return;
  const auto x = small_integers(samples * x_size<G>, 1), w = small_integers(w_size<G>, 2);
  Sums y(samples * y_size<G>);
  each_product<G>(samples, [&](int xi, int wi, int yi) { y.add(yi, at(x, xi) + 1, at(w, wi)); });
  const auto got = run_kernel<Kernel>(samples, {{x}, {w}, output(samples * y_size<G>)});
  CHECK(worst(got[2], y, {}, G::R * G::S * G::C) <= 1);
}

/// Sums as without pooling, and the largest of each window.
template <class G, int Height, int Width, Precision P>
void check_pooled(const char* what, int samples) {
  using Kernel = under_policy_t<P, ForwardPooled<G, Height, Width>>;
  static_assert(takes_halo<P, ForwardPooled<G, Height, Width>>);
  CAPTURE(what);
  CAPTURE(name_of(P));
  if (!device_has(P)) return;
  const auto x = small_integers(samples * x_size<G>, 1), w = small_integers(w_size<G>, 2);
  const int pooled_size = samples * y_size<G> / (Height * Width);
  Sums y(samples * y_size<G>);
  each_product<G>(samples, [&](int xi, int wi, int yi) { y.add(yi, at(x, xi), at(w, wi)); });
  const auto got = run_kernel<Kernel>(samples, {{x}, {w}, output(samples * y_size<G>), output(pooled_size)});
  CHECK(worst(got[2], y, {}, G::R * G::S * G::C) <= 1);
  std::vector<float> largest(static_cast<std::size_t>(pooled_size), -HUGE_VALF);
  for (int i = 0; i < samples * y_size<G>; ++i) {
    const int k = i % G::K, q = i / G::K % G::Q, p = i / G::K / G::Q % G::P, n = i / y_size<G>;
    float& of_window =
        largest[static_cast<std::size_t>(((n * (G::P / Height) + p / Height) * (G::Q / Width) + q / Width) * G::K + k)];
    of_window = std::max(of_window, static_cast<float>(at(got[2], i)));
  }
  CHECK(got[3] == largest);
}

template <class G, Precision P>
void check_scattered(int samples) {
  using Kernel = under_policy_t<P, DataGradientPooled<G>>;
  static_assert(takes_halo<P, DataGradientPooled<G>>);
  if (!device_has(P)) return;
  const auto d = small_integers(samples * y_size<G> / 4, 1), w = small_integers(w_size<G>, 2);
  std::vector<std::uint8_t> index(d.size());
  for (std::size_t i = 0; i < index.size(); ++i) index[i] = static_cast<std::uint8_t>(i * 7 / 3 % 4);
  Sums dx(samples * x_size<G>);
  each_product<G>(samples, [&](int xi, int wi, int yi) {
    const int k = yi % G::K, q = yi / G::K % G::Q, p = yi / G::K / G::Q % G::P, n = yi / y_size<G>;
    const int window = ((n * (G::P / 2) + p / 2) * (G::Q / 2) + q / 2) * G::K + k;
    if (index[static_cast<std::size_t>(window)] == p % 2 * 2 + q % 2) dx.add(xi, at(d, window), at(w, wi));
  });
  const auto got = run_kernel<Kernel>(samples, {{d}, {w}, output(samples * x_size<G>), {index}});
  CHECK(worst(got[2], dx, {}, G::R * G::S * G::K) <= 1);
}

// --- the tile

template <class Contraction, int Rows, Precision P = Precision::bf16>
using InRows = under_policy_t<inlay::cuda::Policy{P, TileSize{.rows = Rows}}, Contraction>;

/// Do the rows that tiles need contain what their pixels read, and are they as few as promised?
template <class Contraction, int Rows>
bool rows_of_tile_suffice(int samples) {
  using Kernel = InRows<Contraction, Rows>;
  using H = HaloTile<Kernel>;
  using P = typename H::P;
  for (int tile = 0; tile < P::row_tiles(samples); ++tile) {
    const int first = H::first_row(tile, samples), end = H::end_row(tile, samples);
    if (end - first > H::rows || end > samples * H::padded_rows) return false;
    for (int row = 0; row < P::Shape::rows; ++row) {
      const Pixel pixel = P::tile_pixel(tile, row, samples);
      if (pixel.row >= 0 && (H::row_of(pixel) < first || H::row_of(pixel) + H::G::R > end)) return false;
    }
  }
  return true;
}

template <class Contraction>
bool rows_suffice(int samples) {
  return rows_of_tile_suffice<Contraction, 64>(samples) && rows_of_tile_suffice<Contraction, 128>(samples) &&
         rows_of_tile_suffice<Contraction, 256>(samples);
}

/// How many of the eight chunks that one instruction loads lie on the same banks, at worst. What reaches over the end
/// of an image is not counted.
template <class Contraction, Precision P, int Rows>
int most_of_tile_on_a_bank(int samples) {
  using H = HaloTile<InRows<Contraction, Rows, P>>;
  using Product = typename H::P;
  int most = 0;
  for (int tile = 0; tile < Product::row_tiles(samples); ++tile)
    for (int row = 0; row < Product::Shape::rows; row += 8) {
      const int first = H::first_row(tile, samples), sample = Product::tile_pixel(tile, row, samples).sample;
      for (int tap = 0; tap < Product::taps; ++tap)
        for (int c = 0; c < H::slab_chunks; ++c) {
          std::array<int, 8> on_bank{};
          for (int i = row; i < row + 8; ++i) {
            const Pixel pixel = Product::tile_pixel(tile, i, samples);
            if (pixel.row < 0 || pixel.sample != sample) continue;
            const Pixel in_tile{0, H::row_of(pixel) - first + tap / H::G::S, pixel.column + tap % H::G::S};
            most = std::max(most, ++on_bank[static_cast<std::size_t>(H::chunk_at(in_tile, c) % 8)]);
          }
        }
    }
  return most;
}

template <class Contraction, Precision P = Precision::bf16>
int most_on_a_bank(int samples) {
  return std::max(most_of_tile_on_a_bank<Contraction, P, 128>(samples),
                  most_of_tile_on_a_bank<Contraction, P, 256>(samples));
}

/// Is every chunk of a tile in a place of its own, within a slab?
template <class Contraction>
bool places_differ() {
  using H = HaloTile<under_policy_t<Precision::bf16, Contraction>>;
  std::set<int> places;
  for (int row = 0; row < H::rows; ++row)
    for (int column = 0; column < H::padded_columns; ++column)
      for (int c = 0; c < H::slab_chunks; ++c) places.insert(H::chunk_at(Pixel{0, row, column}, c));
  return *places.begin() >= 0 && *places.rbegin() < H::slab_bytes / 16 &&
         places.size() == static_cast<std::size_t>(H::rows * H::padded_columns * H::slab_chunks);
}

/// Are the weights of a step written to different banks, 128 bytes at a time, and loaded from different ones?
template <class Contraction, Precision P, int Columns = 0>
bool weights_differ() {
  using Weights =
      inlay::cuda::HaloWeights<under_policy_t<inlay::cuda::Policy{P, TileSize{.columns = Columns}}, Contraction>>;
  static_assert(Weights::in_quads);
  constexpr int words = P == Precision::tf32 ? 4 : 2;  // that a thread writes at once
  for (int first = 0; first < Weights::line_quads * Weights::lines; first += 32 / words) {
    std::set<int> banks;
    for (int thread = first; thread < first + 32 / words; ++thread)
      for (int w = 0; w < words; ++w) {
        const int word = thread % Weights::line_quads * words + w;
        banks.insert((4 * Weights::chunk_at(thread / Weights::line_quads, word / 4) + word % 4) % 32);
      }
    if (banks.size() != 32) return false;
  }
  for (int line = 0; line < Weights::lines; line += 8)
    for (int chunk = 0; chunk < Weights::line_chunks; ++chunk) {
      std::set<int> banks;
      for (int i = line; i < line + 8; ++i) banks.insert(Weights::chunk_at(i, chunk) % 8);
      if (banks.size() != 8) return false;
    }
  return true;
}

template <int H, int W, int C>
using Plain = Forward<Square<H, W, C, 64, 3, 3, 1>>;
template <int H, int W, int C>
using Halved = ForwardPooled<Square<H, W, C, 64, 3, 3, 1>, 2, 2>;

}  // namespace

TEST_CASE("convolutions read from a halo tile agree with the loop, forward and both gradients") {
  check_halo<Square<7, 9, 16, 10, 3, 3, 1>>("3x3 same, odd image", 2);
  check_halo<Square<9, 8, 9, 12, 3>>("3x3 valid, channels a multiple of nothing", 2);
  check_halo<Square<6, 5, 8, 8, 3, 3, 2>>("3x3 full, channels half of what is multiplied", 2);
  check_halo<Square<8, 9, 20, 8, 5, 5, 2>>("5x5 same", 2);
  check_halo<Square<6, 7, 12, 8, 2, 4, 1>>("2x4, one row and column more than the image has", 2);
  check_halo<Square<7, 5, 8, 12, 1, 5, 2>>("1x5, padded on both axes", 2);
}

TEST_CASE("a halo tile goes through several slabs, and its columns may be cut") {
  static_assert(slabs<Precision::bf16, Forward<Square<9, 10, 72, 70, 3, 3, 1>>> > 1);
  static_assert(slabs<Precision::tf32, Forward<Square<9, 10, 72, 70, 3, 3, 1>>> > 2);
  check_halo<Square<9, 10, 72, 70, 3, 3, 1>>("9x10x72 to 70", 2);
  static_assert(slabs<Precision::bf16, Forward<Square<5, 6, 33, 17, 3, 3, 1>>> == 3);  // of 16: the least padding
  check_halo<Square<5, 6, 33, 17, 3, 3, 1>>("5x6x33 to 17", 3);
}

TEST_CASE("a halo tile spans samples, where images are small") {
  check_halo<Square<3, 3, 16, 24, 3, 3, 1>>("3x3 images", 20);
  check_halo<Square<8, 8, 8, 16, 3, 3, 1>>("two images a tile", 3);
  check_halo<Square<1, 1, 16, 8, 3, 3, 1>>("one pixel", 5);
}

TEST_CASE("parts of a split depth are parts of the walk over a halo tile") {
  using G = Square<4, 3, 80, 72, 3, 3, 1>;
  static_assert(inlay::cuda::Product<under_policy_t<Precision::bf16, Forward<G>>>::split);
  CHECK(inlay::cuda::Product<under_policy_t<Precision::bf16, Forward<G>>>::splits(7) > 1);
  check_halo<G>("4x3 images of 80 channels", 7);
}

TEST_CASE("padding is zero after the prologue") {
  check_padding<Square<6, 7, 8, 5, 3, 3, 1>, Precision::bf16>(2);
  check_padding<Square<6, 7, 9, 5, 3, 3, 1>, Precision::tf32>(2);
}

TEST_CASE("pooling windows are rows of a halo tile") {
  check_pooled<Square<8, 12, 16, 20, 3, 3, 1>, 2, 2, Precision::bf16>("2x2", 3);
  check_pooled<Square<8, 12, 16, 20, 3, 3, 1>, 2, 2, Precision::fp16>("2x2", 3);
  check_pooled<Square<8, 12, 16, 20, 3, 3, 1>, 2, 2, Precision::tf32>("2x2", 3);
  check_pooled<Square<4, 6, 33, 12, 5, 5, 2>, 2, 3, Precision::bf16>("2x3 of small images", 9);
  check_pooled<Square<9, 9, 8, 8, 3, 3, 1>, 3, 3, Precision::tf32>("3x3", 2);
  check_pooled<Square<9, 9, 8, 8, 3, 3, 1>, 9, 9, Precision::bf16>("larger than a band", 2);
}

TEST_CASE("a pooled gradient is read in place, four channels at a time or one by one") {
  check_scattered<Square<8, 6, 9, 12, 3, 3, 1>, Precision::bf16>(2);
  check_scattered<Square<8, 6, 9, 13, 3, 3, 1>, Precision::bf16>(2);
  check_scattered<Square<8, 6, 9, 12, 3, 3, 1>, Precision::tf32>(2);
}

TEST_CASE("other contractions are gathered") {
  using inlay::Precision;
  CHECK(!takes_halo<Precision::bf16, Forward<Square<8, 8, 7, 16, 3, 3, 1>>>);  // more than half would be padding
  CHECK(takes_halo<Precision::tf32, Forward<Square<8, 8, 7, 16, 3, 3, 1>>>);
  CHECK(takes_halo<Precision::bf16, DataGradient<Square<8, 8, 7, 16, 3, 3, 1>>>);  // its channels are y's
  CHECK(!takes_halo<Precision::tf32, Forward<Square<8, 8, 3, 16, 3, 3, 1>>>);
  CHECK(!takes_halo<Precision::bf16, Forward<Square<8, 8, 16, 16, 1>>>);
  CHECK(!takes_halo<Precision::bf16, Forward<Square<9, 9, 16, 16, 3, 3, 1, 2>>>);
  CHECK(!takes_halo<Precision::bf16, Forward<Square<9, 9, 16, 16, 3, 3, 1, 1, 2>>>);
  CHECK(!takes_halo<Precision::bf16, Forward<Square<9, 9, 32, 32, 3, 3, 1, 1, 1, 2>>>);
  CHECK(!takes_halo<Precision::bf16, WeightGradient<Square<9, 9, 16, 16, 3, 3, 1>>>);
  CHECK(!takes_halo<Precision::fp32, Forward<Square<9, 9, 16, 16, 3, 3, 1>>>);
  CHECK(!takes_halo<Precision::bf16, Forward<Square<64, 600, 16, 16, 7, 7, 3>>>);  // would not fit
}

TEST_CASE("the rows of a halo tile contain what its pixels read, and are no more than it has room for") {
  CHECK(rows_suffice<Plain<28, 28, 64>>(5));
  CHECK(rows_suffice<Halved<28, 28, 64>>(5));
  CHECK(rows_suffice<Plain<7, 9, 16>>(9));
  CHECK(rows_suffice<Plain<3, 3, 16>>(50));
  CHECK(rows_suffice<Plain<1, 1, 16>>(200));
  CHECK(rows_suffice<Plain<56, 56, 64>>(2));
  CHECK(rows_suffice<Halved<6, 10, 16>>(20));
  CHECK(rows_suffice<ForwardPooled<Square<9, 9, 16, 16, 3, 3, 1>, 9, 9>>(3));
  CHECK(rows_suffice<DataGradient<Square<9, 8, 9, 12, 5, 5, 1>>>(4));
  static_assert(HaloTile<InRows<Plain<16, 16, 64>, 128>>::rows == 8 + 2);  // no images in between
  static_assert(HaloTile<InRows<Plain<8, 8, 64>, 128>>::rows == 16 + 2 * 2);
  static_assert(HaloTile<InRows<Plain<8, 8, 64>, 256>>::rows == 32 + 4 * 2);
}

TEST_CASE("eight chunks of a halo tile are loaded from different banks") {
  CHECK(most_on_a_bank<Plain<16, 16, 64>>(3) == 1);  // 128 bytes a pixel
  CHECK(most_on_a_bank<Plain<28, 28, 64>>(3) == 1);  // 64
  CHECK(most_on_a_bank<Plain<28, 28, 64>, Precision::tf32>(3) == 1);
  CHECK(most_on_a_bank<Plain<28, 28, 16>>(3) == 1);  // 32
  CHECK(most_on_a_bank<Plain<32, 32, 32>>(2) == 1);
  CHECK(most_on_a_bank<Plain<14, 14, 64>>(3) == 1);
  CHECK(most_of_tile_on_a_bank<Plain<7, 7, 64>, Precision::bf16, 64>(9) == 1);
  CHECK(most_on_a_bank<Halved<28, 28, 64>>(3) == 1);
  CHECK(most_on_a_bank<Halved<28, 28, 16>>(3) == 1);
  CHECK(most_on_a_bank<Halved<16, 16, 64>>(3) == 1);
  // Where the columns of a row do not fill whole 128 bytes, the pixels behind its end meet those before it; where two
  // windows lie in different rows, one meets the other.
  CHECK(most_on_a_bank<Plain<7, 7, 64>>(9) == 2);
  CHECK(most_on_a_bank<Plain<14, 14, 16>>(3) == 2);
  CHECK(most_on_a_bank<Plain<15, 15, 32>>(3) == 2);
  CHECK(most_on_a_bank<Halved<14, 14, 64>>(3) == 2);
}

TEST_CASE("weights beside a halo tile are written and loaded without bank conflicts") {
  CHECK(weights_differ<Forward<Square<8, 8, 64, 64, 3, 3, 1>>, Precision::bf16>());
  CHECK(weights_differ<Forward<Square<8, 8, 64, 32, 3, 3, 1>>, Precision::bf16>());
  CHECK(weights_differ<Forward<Square<8, 8, 64, 16, 3, 3, 1>>, Precision::bf16>());
  CHECK(weights_differ<Forward<Square<8, 8, 64, 128, 3, 3, 1>>, Precision::bf16, 128>());
  CHECK(weights_differ<DataGradient<Square<8, 8, 64, 64, 3, 3, 1>>, Precision::bf16>());
  CHECK(weights_differ<DataGradient<Square<8, 8, 16, 64, 3, 3, 1>>, Precision::bf16>());
  CHECK(weights_differ<DataGradient<Square<8, 8, 64, 64, 3, 3, 1>>, Precision::tf32>());
  CHECK(weights_differ<DataGradient<Square<8, 8, 16, 64, 3, 3, 1>>, Precision::tf32>());
}

TEST_CASE("chunks of a halo tile lie apart") {
  CHECK(places_differ<Plain<16, 16, 64>>());
  CHECK(places_differ<Plain<15, 13, 32>>());
  CHECK(places_differ<Plain<15, 13, 16>>());
  CHECK(places_differ<Halved<14, 14, 64>>());
}
