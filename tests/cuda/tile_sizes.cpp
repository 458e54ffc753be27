// Contractions in tiles that a policy asks for, by contraction_check.hpp: every size that is possible, in each walk.
#include "contraction_check.hpp"

using namespace inlay;
using namespace inlay::test;
using inlay::cuda::Policy;

namespace {

template <class G, Precision P, int Rows, int Columns>
void check_size(const char* what, int samples) {
  constexpr Policy policy{P, TileSize{Rows, Columns}};
  using Kernel = inlay::cuda::under_policy_t<policy, Forward<G>>;
  static_assert(inlay::cuda::Product<Kernel>::Shape::rows == Rows);
  static_assert(inlay::cuda::Product<Kernel>::Shape::columns == Columns);
  check<G, policy>(what, samples);
}
template <class G, Precision P>
void check_sizes(const char* what, int samples) {
  check_size<G, P, 64, 16>(what, samples);
  check_size<G, P, 64, 128>(what, samples);
  check_size<G, P, 128, 32>(what, samples);
  check_size<G, P, 128, 128>(what, samples);
  check_size<G, P, 256, 16>(what, samples);
  check_size<G, P, 256, 64>(what, samples);
}

template <Precision P, int Rows, int Columns, class Contraction>
double seconds_in() {
  using Kernel = inlay::cuda::under_policy_t<Policy{P, TileSize{Rows, Columns}}, Contraction>;
  return inlay::cuda::contraction_seconds<Kernel>(inlay::cuda::nominal_batch, inlay::cuda::nominal_device(P));
}
template <Precision P, class Contraction>
bool chosen_is_best() {
  const double chosen = seconds_in<P, 0, 0, Contraction>();
  return chosen <= seconds_in<P, 64, 64, Contraction>() && chosen <= seconds_in<P, 128, 32, Contraction>() &&
         chosen <= seconds_in<P, 128, 64, Contraction>();
}

using Slid = Square<9, 10, 24, 70, 3, 3, 1>;        // over halo tiles, where there are tensor cores
using Strided = Square<9, 11, 12, 70, 3, 3, 1, 2>;  // gathered

}  // namespace

TEST_CASE("contractions agree with the loop in every tile that may be asked for") {
  check_sizes<Slid, Precision::fp32>("slid", 4);
  check_sizes<Slid, Precision::tf32>("slid", 4);
  check_sizes<Slid, Precision::bf16>("slid", 4);
  check_sizes<Strided, Precision::fp32>("strided", 11);
  check_sizes<Strided, Precision::tf32>("strided", 11);
  check_sizes<Strided, Precision::bf16>("strided", 11);
}
TEST_CASE("the tile that is chosen takes no longer than others, by the estimate") {
  using G = Square<28, 28, 64, 64, 3, 3, 1>;
  CHECK(chosen_is_best<Precision::bf16, Forward<G>>());
  CHECK(chosen_is_best<Precision::bf16, DataGradient<G>>());
  CHECK(chosen_is_best<Precision::tf32, WeightGradient<G>>());
  CHECK(chosen_is_best<Precision::fp32, Forward<Square<1, 1, 64, 10, 1>>>());
}
TEST_CASE("by the estimate, products of warpgroups take less time where they are used") {
  using inlay::cuda::contraction_seconds, inlay::cuda::under_policy_t;
  using G = Square<28, 28, 64, 64, 3, 3, 1>;
  constexpr DeviceSpec by_warpgroups = devices::h100;
  constexpr DeviceSpec by_warps = [] {
    DeviceSpec device = devices::h100;
    device.multiprocessors.warpgroup_share = 0;
    return device;
  }();
  auto gain = [&]<class Kernel>(Kernel) {
    return contraction_seconds<Kernel>(256, by_warps) / contraction_seconds<Kernel>(256, by_warpgroups);
  };
  CHECK(gain(under_policy_t<Precision::bf16, Forward<G>>{}) > 1);
  CHECK(gain(under_policy_t<Precision::bf16, WeightGradient<G>>{}) > 1);
  CHECK(gain(under_policy_t<Precision::bf16, WeightGradient<Square<28, 28, 32, 64, 3, 3, 1>>>{}) == 1);
  CHECK(gain(under_policy_t<Precision::fp32, Forward<G>>{}) == 1);
}
TEST_CASE("on tensor cores a warp computes 64 x 64 where the layer is large enough") {
  using Wide = inlay::cuda::under_policy_t<Precision::bf16, Forward<Square<28, 28, 64, 64, 3, 3, 1>>>;
  CHECK(Wide::tile_rows == 256);
  CHECK(Wide::tile_columns == 64);
  using Small = inlay::cuda::under_policy_t<Precision::bf16, Forward<Square<1, 1, 64, 10, 1>>>;
  CHECK(Small::tile_rows == 64);
  CHECK(Small::tile_columns == 16);
}
TEST_CASE("a size that is not asked for is chosen") {
  using Kernel = inlay::cuda::under_policy_t<Policy{Precision::bf16, TileSize{.rows = 64}}, Forward<Slid>>;
  CHECK(Kernel::tile_rows == 64);
  CHECK(Kernel::tile_columns > 16);
  using Wide = Forward<Square<14, 14, 128, 128, 3, 3, 1>>;  // with 256 rows, 128 columns would be too many
  CHECK(inlay::cuda::under_policy_t<Policy{Precision::bf16, TileSize{.rows = 256}}, Wide>::tile_columns <= 64);
  using Huge = Forward<Square<6000, 6000, 3, 16, 3, 3, 1>>;
  CHECK(inlay::cuda::under_policy_t<Precision::bf16, Huge>::tile_columns == 16);
  using Weight = inlay::cuda::under_policy_t<Policy{Precision::fp32, TileSize{256, 16}}, WeightGradient<Slid>>;
  CHECK(Weight::tile_rows == 128);
  CHECK(!TileSize{96, 64}.is_possible());
  CHECK(!TileSize{256, 128}.is_possible());
  CHECK(TileSize{}.is_possible());
}
