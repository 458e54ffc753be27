// All of Inlay.
#pragma once

#include <inlay/data/fashion_mnist.hpp>
#include <inlay/data/idx.hpp>
#include <inlay/expr/gradients.hpp>
#include <inlay/graph/explain.hpp>
#include <inlay/graph/graphviz.hpp>
#include <inlay/nn/activations.hpp>
#include <inlay/nn/batch_normalization.hpp>
#include <inlay/nn/conv2d.hpp>
#include <inlay/nn/dense.hpp>
#include <inlay/nn/flatten.hpp>
#include <inlay/nn/global_average_pooling2d.hpp>
#include <inlay/nn/input.hpp>
#include <inlay/nn/max_pooling2d.hpp>
#include <inlay/nn/repeat.hpp>
#include <inlay/nn/rescaling.hpp>
#include <inlay/nn/reshape.hpp>
#include <inlay/nn/residual.hpp>
#include <inlay/nn/sequential.hpp>
#include <inlay/train/best_checkpoint.hpp>
#include <inlay/train/csv_logger.hpp>
#include <inlay/train/early_stopping.hpp>
#include <inlay/train/model.hpp>
#include <inlay/train/training_plan.hpp>
#include <inlay/train/training_rate.hpp>
