// Contractions of operands that lie in memory as tensor cores multiply them, bf16 or fp16: copied to shared memory in
// the background. On integers that both hold nothing is rounded, so that results have to be exact.
#include "copied_check.hpp"

#include <set>

using namespace inlay;
using namespace inlay::test;
using inlay::cuda::HaloTile, inlay::cuda::Policy;

namespace {

/// How a geometry is multiplied, by mode.
template <Precision P, class G>
struct Walks {
  template <class Contraction>
  using Of = typename inlay::cuda::ContractionRunner<Contraction>::Multiplier::Walk;
  using Forward = Of<NarrowForward<P, G>>;
  using Data = Of<NarrowDataGradient<P, G>>;
  using Weight = Of<PlainWeightGradient<P, G>>;
};

/// Are the chunks that a warp loads at a time, eight neighbouring lines', on different banks?
template <class Lines>
bool banks_differ() {
  for (int c = 0; c < Lines::chunks; ++c)
    for (int line = 0; line < Lines::count; line += 8) {
      std::set<int> banks;
      for (int i = line; i < line + 8; ++i) banks.insert(Lines::chunk_at(i, c) % 8);
      if (banks.size() != 8) return false;
    }
  return true;
}

template <class G, TileSize Tile>
bool banks_differ_in() {
  using Walk =
      typename inlay::cuda::ContractionRunner<PlainWeightGradient<Policy{Precision::bf16, Tile}, G>>::Multiplier::Walk;
  return banks_differ<typename Walk::A>() && banks_differ<typename Walk::B>();
}

}  // namespace

TEST_CASE("operands that lie as they are multiplied are copied, and those that a prologue changes are not") {
  using G = Square<7, 9, 16, 24, 3, 3, 1>;
  using inlay::Precision, inlay::cuda::is_copied;
  constexpr Precision bf16 = Precision::bf16, fp16 = Precision::fp16;
  static_assert(is_copied<bf16, 16, ReadAsIs<bf16, 0, X<G>>> && is_copied<fp16, 16, ReadAsIs<fp16, 0, X<G>>>);
  static_assert(!is_copied<bf16, 16, ReadNegated<bf16, 0, X<G>>> && !is_copied<fp16, 16, ReadNegated<fp16, 0, X<G>>>);
  static_assert(!is_copied<bf16, 16, Read<0, X<G>>> && !is_copied<fp16, 16, Read<0, X<G>>>);
  static_assert(!is_copied<fp16, 16, ReadAsIs<bf16, 0, X<G>>> && !is_copied<bf16, 16, ReadAsIs<fp16, 0, X<G>>>);
  static_assert(!is_copied<Precision::tf32, 16, Read<0, X<G>>>);  // would have to be rounded
  static_assert(!is_copied<bf16, 12, ReadAsIs<bf16, 0, X<Square<7, 9, 12, 24, 3, 3, 1>>>>);
  using Walk = inlay::cuda::HaloWalk<NarrowForward<bf16, G>>;
  static_assert(Walk::Halo::copied && Walk::Weights::copied);
  using Taps = inlay::cuda::ContractionRunner<PlainWeightGradient<bf16, G>>::Multiplier::Walk;
  static_assert(Taps::X::copied && Taps::Dy::copied && !Taps::evaluates);
}

TEST_CASE("gradients that fp16 needs scaled are not copied, and what they are multiplied by is") {
  using G = Square<7, 9, 16, 24, 3, 3, 1>;
  constexpr Precision fp16 = Precision::fp16;
  using Forward = inlay::cuda::HaloWalk<NarrowForward<fp16, G>>;
  static_assert(Forward::Halo::copied && Forward::Weights::copied);
  using Data = inlay::cuda::HaloWalk<NarrowDataGradient<fp16, G>>;
  static_assert(!Data::Halo::copied && Data::Weights::copied);
  using Taps = inlay::cuda::ContractionRunner<PlainWeightGradient<fp16, G>>::Multiplier::Walk;
  static_assert(Taps::X::copied && !Taps::Dy::copied);
}

TEST_CASE("copied operands are multiplied as others, on images and channels that fill no tile") {
  check_copied<Square<7, 9, 16, 24, 3, 3, 1>>("3x3 same", 2);
  check_copied<Square<9, 8, 8, 40, 3>>("3x3 valid, half of what is multiplied", 2);
  check_copied<Square<6, 5, 24, 8, 5, 5, 2>>("5x5 same", 3);
  check_copied<Square<7, 5, 32, 16, 1, 2, 0>>("1x2: several taps a step", 2);
}

TEST_CASE("channels that no 16 bytes divide are not copied") {
  check_copied<Square<7, 9, 12, 20, 3, 3, 1>>("multiples of four", 2);
  check_copied<Square<5, 6, 9, 17, 3, 3, 1>>("multiples of nothing", 2);
}

TEST_CASE("the next slab is copied while one is multiplied") {
  using G = Square<9, 10, 72, 136, 3, 3, 1>;
  static_assert(HaloTile<NarrowForward<Precision::bf16, G>>::slabs == 5 &&
                HaloTile<NarrowForward<Precision::bf16, G>>::slab_buffers == 2);
  static_assert(HaloTile<NarrowDataGradient<Precision::bf16, G>>::slabs == 9 &&
                HaloTile<NarrowDataGradient<Precision::bf16, G>>::slab_buffers == 2);
  check_copied<G>("9x10x72 to 136", 1);
  using OneStep = Square<5, 5, 48, 16, 1, 2, 0>;
  check_copied<OneStep>("slabs of a step or two", 3);
}

TEST_CASE("copied slabs and their parts, where the depth is split") {
  using G = Square<4, 3, 80, 72, 3, 3, 1>;
  CHECK(inlay::cuda::Product<NarrowForward<Precision::bf16, G>>::splits(7) > 1);
  check_copied<G>("4x3 images of 80 channels", 7);
}

TEST_CASE("a copied slab takes the place of the last one, where there is no room for two") {
  using G = Square<20, 28, 64, 64, 5, 5, 2>;
  static_assert(HaloTile<NarrowForward<Precision::bf16, G>>::slabs > 1 &&
                HaloTile<NarrowForward<Precision::bf16, G>>::slab_buffers == 1);
  check_copied<G>("20x28x64, 5x5", 1);
}

TEST_CASE("without a halo tile operands are copied, too, transposed where memory is contiguous across the depth") {
  using G = Square<1, 1, 72, 40, 1>;
  using InBf16 = Walks<Precision::bf16, G>;
  static_assert(std::is_same_v<InBf16::Forward, inlay::cuda::TensorWalk<NarrowForward<Precision::bf16, G>>>);
  static_assert(InBf16::Forward::A::copied && !InBf16::Forward::A::transposed);
  static_assert(InBf16::Forward::B::copied && InBf16::Forward::B::transposed);
  static_assert(InBf16::Data::A::copied && !InBf16::Data::A::transposed);
  static_assert(InBf16::Data::B::copied && !InBf16::Data::B::transposed);
  static_assert(InBf16::Weight::A::copied && InBf16::Weight::A::transposed);
  static_assert(InBf16::Weight::B::copied && InBf16::Weight::B::transposed);
  using InFp16 = Walks<Precision::fp16, G>;  // which scales gradients
  static_assert(InFp16::Forward::A::copied && InFp16::Forward::B::copied);
  static_assert(!InFp16::Data::A::copied && InFp16::Data::B::copied);
  static_assert(InFp16::Weight::A::copied && !InFp16::Weight::B::copied);
  using Odd = Walks<Precision::bf16, Square<1, 1, 36, 20, 1>>;
  static_assert(!Odd::Forward::A::copied && !Odd::Forward::B::copied);
  static_assert(!Odd::Data::A::copied && !Odd::Weight::A::copied && !Odd::Weight::B::copied);
  using Grouped = Walks<Precision::bf16, Square<5, 5, 16, 32, 3, 3, 1, 1, 1, 4>>;  // of 4 and 8 channels
  static_assert(!Grouped::Forward::A::copied && Grouped::Forward::B::copied);
  static_assert(Grouped::Data::A::copied && Grouped::Data::B::copied);
  static_assert(!Grouped::Weight::A::copied && Grouped::Weight::B::copied);
}

TEST_CASE("dense layers of copied operands, whose samples and features fill no tile") {
  check_copied<Square<1, 1, 72, 40, 1>>("72 to 40", 5);
  check_copied<Square<1, 1, 8, 8, 1>>("8 to 8", 70);
  check_copied<Square<1, 1, 160, 24, 1>>("160 to 24", 67);
  check_copied<Square<1, 37, 48, 56, 1>>("matrices of 37 rows", 2);
  using Deep = Square<1, 1, 1160, 72, 1>;
  CHECK(inlay::cuda::Product<NarrowForward<Precision::bf16, Deep>>::splits(9) > 1);
  check_copied<Deep>("1160 to 72, in parts", 9);
}

TEST_CASE("strided, dilated, grouped and 1 x 1 convolutions of copied operands") {
  check_copied<Square<9, 8, 16, 24, 3, 3, 1, 2>>("3x3, stride 2", 2);
  check_copied<Square<7, 9, 24, 40, 1, 1, 0, 2>>("1x1, stride 2", 3);
  check_copied<Square<6, 7, 40, 16, 1>>("1x1", 2);
  check_copied<Square<8, 7, 8, 16, 3, 3, 2, 1, 2>>("3x3, dilation 2", 2);
  check_copied<Square<6, 5, 32, 16, 3, 3, 1, 1, 1, 2>>("3x3, two groups", 2);
  check_copied<Square<5, 5, 16, 32, 3, 3, 1, 1, 1, 4>>("3x3, groups of 4 to 8 channels", 2);
}

TEST_CASE("other channels of such layers are not copied") {
  check_copied<Square<1, 1, 36, 20, 1>>("36 to 20", 5);
  check_copied<Square<1, 1, 24, 10, 1>>("24 to 10: one of both", 5);
  check_copied<Square<9, 8, 12, 8, 3, 3, 1, 2>>("3x3, stride 2, of 12", 2);
}

TEST_CASE("copied operands in tiles of all sizes") {
  check_copied<Square<1, 1, 80, 48, 1>, TileSize{64, 16}>("64 x 16", 3);
  check_copied<Square<1, 1, 80, 48, 1>, TileSize{128, 32}>("128 x 32", 3);
  check_copied<Square<5, 6, 72, 136, 1>, TileSize{128, 128}>("128 x 128", 5);
  check_copied<Square<5, 6, 264, 72, 1>, TileSize{256, 64}>("256 x 64", 5);
}

TEST_CASE("where a device copies boxes, matrices come as such, and the weights of whole taps") {
  using Dense = Walks<Precision::bf16, Square<1, 1, 72, 40, 1>>;
  static_assert(Dense::Forward::a_boxed && Dense::Forward::b_boxed);
  static_assert(Dense::Data::a_boxed && Dense::Data::b_boxed && Dense::Weight::a_boxed && Dense::Weight::b_boxed);
  using InFp16 = Walks<Precision::fp16, Square<1, 1, 72, 40, 1>>;
  static_assert(!InFp16::Data::a_boxed && InFp16::Data::b_boxed);
  static_assert(InFp16::Weight::a_boxed && !InFp16::Weight::b_boxed);
  using Rows = Walks<Precision::bf16, Square<6, 7, 40, 16, 1>>;
  static_assert(Rows::Forward::a_boxed && Rows::Weight::a_boxed && Rows::Weight::b_boxed);
  using Strided = Square<9, 8, 16, 24, 3, 3, 1, 2>;
  using OfStrided = Walks<Precision::bf16, Strided>;
  static_assert(!OfStrided::Forward::a_boxed && OfStrided::Forward::b_boxed && !OfStrided::Data::boxed);
  using WholeTaps = Square<9, 8, 16, 32, 3, 3, 1, 2>;
  static_assert(Walks<Precision::bf16, WholeTaps>::Data::b_boxed);
  static_assert(!Walks<Precision::bf16, Square<6, 5, 32, 16, 3, 3, 1, 1, 1, 2>>::Forward::boxed);  // groups
  check_copied<WholeTaps>("3x3, stride 2", 2);

  using Wide = Square<7, 9, 64, 96, 3, 3, 1>;
  using Narrow = Square<7, 9, 16, 24, 3, 3, 1>;
  static_assert(Walks<Precision::bf16, Wide>::Forward::boxed && Walks<Precision::bf16, Wide>::Data::boxed);
  static_assert(!Walks<Precision::bf16, Narrow>::Forward::boxed);  // of several taps a step
  check_copied<Wide>("3x3", 2);
  check_copied<Wide, TileSize{128, 128}>("3x3, two boxes of columns", 1);
  check_copied<Square<5, 5, 40, 72, 5, 5, 2>>("5x5, channels that end within a step", 1);
  check_in_fp16<Wide>("3x3", 1);
}

TEST_CASE("in fp16 features and weights are copied beside gradients that are scaled") {
  check_in_fp16<Square<7, 9, 16, 24, 3, 3, 1>>("3x3 same", 2);
  check_in_fp16<Square<6, 5, 24, 8, 5, 5, 2>>("5x5 same", 3);
  check_in_fp16<Square<7, 5, 32, 16, 1, 2, 0>>("1x2: several taps a step", 2);
  check_in_fp16<Square<5, 6, 9, 17, 3, 3, 1>>("3x3, nothing copied", 2);
  check_in_fp16<Square<9, 10, 72, 136, 3, 3, 1>>("3x3, several slabs", 1);
  check_in_fp16<Square<4, 3, 80, 72, 3, 3, 1>>("3x3, in parts", 7);
  check_in_fp16<Square<1, 1, 160, 24, 1>>("dense", 67);
  check_in_fp16<Square<1, 1, 1160, 72, 1>>("dense, in parts", 9);
  check_in_fp16<Square<1, 1, 24, 10, 1>>("dense, one of both copied", 5);
  check_in_fp16<Square<1, 37, 48, 56, 1>>("matrices of 37 rows", 2);
  check_in_fp16<Square<9, 8, 16, 24, 3, 3, 1, 2>>("3x3, stride 2", 2);
  check_in_fp16<Square<7, 9, 24, 40, 1, 1, 0, 2>>("1x1, stride 2", 3);
  check_in_fp16<Square<8, 7, 8, 16, 3, 3, 2, 1, 2>>("3x3, dilation 2", 2);
  check_in_fp16<Square<6, 5, 32, 16, 3, 3, 1, 1, 1, 2>>("3x3, two groups", 2);
  check_in_fp16<Square<5, 5, 16, 32, 3, 3, 1, 1, 1, 4>>("3x3, groups of 4 to 8 channels", 2);
}

TEST_CASE("copied operands are loaded from different banks") {
  using Dense = Square<1, 1, 256, 128, 1>;
  CHECK(banks_differ<Walks<Precision::bf16, Dense>::Forward::A>());
  CHECK(banks_differ<Walks<Precision::bf16, Dense>::Data::B>());
  CHECK(banks_differ_in<Dense, TileSize{64, 16}>());
  CHECK(banks_differ_in<Dense, TileSize{64, 32}>());
  CHECK(banks_differ_in<Dense, TileSize{64, 64}>());
  CHECK(banks_differ_in<Dense, TileSize{128, 128}>());
  CHECK(banks_differ_in<Dense, TileSize{256, 64}>());
}
