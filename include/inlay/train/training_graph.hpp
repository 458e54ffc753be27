// The graphs of one step: training (forward, loss, metric, backward and update in one program) and evaluation.
// Inputs: 0 the samples, 1 the labels, then the numbers of a step: the two keys of random layers where there are any
// (core/random.hpp), the loss's and the optimiser's. Outputs: the sums over the batch of the loss and of the metric.
#pragma once

#include <inlay/graph/gradient.hpp>
#include <inlay/graph/trace.hpp>
#include <inlay/graph/update.hpp>

namespace inlay {

template <class Net, class Loss, class Metric>
struct EvaluationGraph {
  static constexpr Graph make() {
    Tracer tracer;
    trace(tracer);
    return tracer.graph;
  }

  /// Returns the node of the summed loss, without penalties.
  static constexpr int trace(Tracer& tracer) {
    Graph& g = tracer.graph;
    auto x = network_input<Net>(tracer);
    auto label = Loss::label(tracer);
    auto y = Net::call(x);
    auto loss = sum_over_batch(Loss::call(y, label));
    auto metric = sum_over_batch(Metric::call(y, label));
    int reported = loss.node;
    for (const int penalty : tracer.penalties)
      reported = build::map(g, MapOp::add, reported, build::map(g, MapOp::multiply, penalty, build::batch_size(g)));
    g.outputs.push(Output{reported});
    g.outputs.push(Output{metric.node});
    return loss.node;
  }
};

template <class Net, class Optimizer, class Loss, class Metric>
struct TrainingGraph {
  static constexpr Graph make() {
    Tracer tracer;
    tracer.training = true;
    Graph& g = tracer.graph;
    const int total = EvaluationGraph<Net, Loss, Metric>::trace(tracer);
    const int guard = build::map(g, MapOp::is_finite, g.outputs.data[0].node);
    int mean = build::map(g, MapOp::divide, total, build::batch_size(g));
    for (const int penalty : tracer.penalties) mean = build::map(g, MapOp::add, mean, penalty);

    List<int> parameters;
    for (int i = 0; i < g.nodes.size; ++i)
      if (g.nodes.data[i].op == Op::parameter && g.parameters.data[g.nodes.data[i].index].trainable) parameters.push(i);
    const List<int> gradients = gradient(g, mean, parameters);

    int numbers[Optimizer::number_count > 0 ? Optimizer::number_count : 1] = {};
    for (int i = 0; i < Optimizer::number_count; ++i) numbers[i] = build::input(g, Shape{}, Element::f32, false);
    for (const Output& kept : tracer.updates) {  // moving averages
      const int old = parameter_node(g, kept.parameter);
      const int finite = build::map(g, MapOp::is_finite, kept.node);
      g.outputs.push(Output{build::map(g, MapOp::select, finite, kept.node, old), kept.parameter});
    }
    for (int i = 0; i < parameters.size; ++i)
      Optimizer::update(Update(tracer, parameters.data[i], gradients.data[i], guard, numbers));
    return g;
  }

 private:
  static constexpr int parameter_node(const Graph& g, int parameter) {
    for (int i = 0;; ++i)
      if (g.nodes.data[i].op == Op::parameter && g.nodes.data[i].index == parameter) return i;
  }
};

}  // namespace inlay
