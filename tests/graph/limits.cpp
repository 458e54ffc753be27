// Deep networks pass every pass at the compilers' default limits of constant evaluation: users of headers need no
// flags. That this file compiles is the test; it has no run-time part.
#include <inlay/graph/program.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/losses.hpp>
#include <inlay/nn/metrics.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/optimizers.hpp>
#include <inlay/train/training_graph.hpp>
#include <utility>

namespace inlay {
namespace {

template <class Layer, int>
struct Always {
  using type = Layer;
};

/// Count residual blocks of two convolutions between a first convolution and a classifier.
template <class Blocks>
struct Chain;
template <int... I>
struct Chain<std::integer_sequence<int, I...>> {
  using Block = nn::Residual<nn::Conv2D<16, 3, nn::Same, nn::Relu>, nn::Conv2D<16, 3, nn::Same>>;
  using type = nn::Sequential<nn::Input<16, 16, 3>, nn::Conv2D<16, 3, nn::Same, nn::Relu>,
                              typename Always<Block, I>::type..., nn::Flatten, nn::Dense<10>>;
};
template <int Count>
using ResidualChain = typename Chain<std::make_integer_sequence<int, Count>>::type;

template <class Net>
using Training = TrainingGraph<Net, Adam, SparseCategoricalCrossentropy, Accuracy>;

// 56 convolutions, trained with Adam.
using Deep = Program<Training<ResidualChain<28>>>;
static_assert(Deep::graph.nodes.size >= 2000);
static_assert(Deep::plan.arena_bytes_per_sample > 0);
static_assert(Deep::plan.arena_bytes_per_sample < Deep::plan.unplanned_bytes_per_sample / 2);

// The same network's forward pass alone.
using DeepInference = Program<Inference<ResidualChain<28>>>;
static_assert(DeepInference::plan.launches.size <= 58);  // each block is two launches: relu and sum are in the stores
static_assert(DeepInference::plan.arena_bytes_per_sample <= 3 * 16 * 16 * 16 * 4);

}  // namespace
}  // namespace inlay
