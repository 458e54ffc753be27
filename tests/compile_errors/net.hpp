// What the programs of this folder include.
#pragma once

#include <inlay/graph/cost.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/add.hpp>
#include <inlay/nn/average_pooling2d.hpp>
#include <inlay/nn/concatenate.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/dropout.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/normalization.hpp>
#include <inlay/nn/random_flip.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>

using namespace inlay;
