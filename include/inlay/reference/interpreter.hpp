// The oracle: walks any Graph at run time in double precision, one obvious loop per primitive. It is slow and
// plainly right; every executor is tested against it, and it is itself tested against Eigen and finite differences.
// A node whose element is bf16 or f16 is rounded to that.
#pragma once

#include <inlay/core/random.hpp>
#include <inlay/graph/build.hpp>

#include <cmath>
#include <vector>

namespace inlay::reference {

using Values = std::vector<double>;

/// The value of every node: samples x elements where batched, elements where shared. `updated[p]` is parameter p
/// after the run.
struct Result {
  std::vector<Values> nodes;
  std::vector<Values> outputs;
  std::vector<Values> updated;
};

namespace detail {

/// x as an element holds it.
inline double as_stored(Element element, double x) {
  const float nearest = static_cast<float>(x);
  if (element == Element::bf16) return double{static_cast<float>(Bfloat16(nearest))};
  if (element == Element::f16) return double{static_cast<float>(Float16(nearest))};
  return x;
}

inline double apply(MapOp op, double a, double b, double c) {
  switch (op) {
    case MapOp::copy:
    case MapOp::stop_gradient: return a;
    case MapOp::negate: return -a;
    case MapOp::absolute: return std::fabs(a);
    case MapOp::exp: return std::exp(a);
    case MapOp::log: return std::log(a);
    case MapOp::sqrt: return std::sqrt(a);
    case MapOp::tanh: return std::tanh(a);
    case MapOp::erf: return std::erf(a);
    case MapOp::is_finite: return std::isfinite(a) ? 1 : 0;
    case MapOp::add: return a + b;
    case MapOp::subtract: return a - b;
    case MapOp::multiply: return a * b;
    case MapOp::divide: return a / b;
    case MapOp::maximum: return b > a ? b : a;
    case MapOp::minimum: return b < a ? b : a;
    case MapOp::equal: return a == b ? 1 : 0;
    case MapOp::greater: return a > b ? 1 : 0;
    case MapOp::select: return a != 0 ? b : c;
  }
  return 0;
}

class Interpreter {
 public:
  Interpreter(const Graph& graph, int sample_count) : g(graph), samples(sample_count) {}

  Result run(const std::vector<Values>& inputs, const std::vector<Values>& parameters) {
    Result result;
    result.nodes.resize(static_cast<std::size_t>(g.nodes.size));
    nodes = result.nodes.data();
    for (int i = 0; i < g.nodes.size; ++i) {
      const Node& n = g.nodes.data[i];
      const int copies = n.batched ? samples : 1;
      nodes[i].assign(static_cast<std::size_t>(copies * n.shape.count()), 0.0);
      node(n, nodes[i], inputs, parameters);
      if (is_narrow(n.element))
        for (double& x : nodes[i]) x = as_stored(n.element, x);
    }
    result.updated = parameters;
    for (const Output& output : g.outputs) {
      if (output.is_update()) result.updated[static_cast<std::size_t>(output.parameter)] = nodes[output.node];
      else result.outputs.push_back(nodes[output.node]);
    }
    return result;
  }

 private:
  const Graph& g;
  int samples;
  Values* nodes = nullptr;

  const Node& operand(const Node& n, int k) const { return g.nodes.data[n.operands[k]]; }
  /// First element of operand k for sample s.
  double* data(const Node& n, int k, int s) const {
    const Node& o = operand(n, k);
    return nodes[n.operands[k]].data() + (o.batched ? s * o.shape.count() : 0);
  }

  /// Calls f(coordinates, row-major position) for every element of the shape.
  template <class F>
  static void each(const Shape& shape, F f) {
    int at[max_rank] = {};
    const std::int64_t count = shape.count();
    for (std::int64_t i = 0; i < count; ++i) {
      f(at, i);
      for (int axis = shape.rank - 1; axis >= 0 && ++at[axis] == shape.extents[axis]; --axis) at[axis] = 0;
    }
  }
  /// Position in `shape` of coordinates that belong to a shape of rank `rank`, broadcasting.
  static std::int64_t position(const Shape& shape, const int* at, int rank) {
    std::int64_t p = 0;
    for (int axis = 0; axis < shape.rank; ++axis)
      p = p * shape.extents[axis] + (shape.extents[axis] == 1 ? 0 : at[rank - shape.rank + axis]);
    return p;
  }

  void node(const Node& n, Values& y, const std::vector<Values>& inputs, const std::vector<Values>& parameters) {
    switch (n.op) {
      case Op::input: y = inputs.at(static_cast<std::size_t>(n.index)); return;
      case Op::parameter: y = parameters.at(static_cast<std::size_t>(n.index)); return;
      case Op::constant: y[0] = n.value; return;
      case Op::batch_size: y[0] = samples; return;
      case Op::iota:
        each(n.shape, [&](const int* at, std::int64_t i) { y[static_cast<std::size_t>(i)] = at[n.index]; });
        return;
      case Op::contraction: contraction(n, y); return;
      case Op::reduction: reduction(n, y); return;
      default: break;
    }
    for (int s = 0; s < (n.batched ? samples : 1); ++s) {
      double* out = y.data() + s * n.shape.count();
      switch (n.op) {
        case Op::map: map(n, s, out); break;
        case Op::random:
          for (std::int64_t i = 0; i < n.shape.count(); ++i)
            out[i] = random_element(static_cast<float>(*data(n, 0, s)), static_cast<float>(*data(n, 1, s)), n.index, s,
                                    static_cast<std::uint32_t>(i), static_cast<int>(n.value));
          break;
        case Op::lookup: lookup(n, s, out); break;
        case Op::channels: channels(n, s, out); break;
        case Op::reshape:
          for (std::int64_t i = 0; i < n.shape.count(); ++i) out[i] = data(n, 0, s)[i];
          break;
        case Op::transpose:
          each(n.shape, [&](const int* at, std::int64_t i) {
            int from[max_rank] = {};
            for (int axis = 0; axis < n.shape.rank; ++axis) from[build::transposed_axis(n, axis)] = at[axis];
            out[i] = data(n, 0, s)[position(operand(n, 0).shape, from, n.shape.rank)];
          });
          break;
        default: window(n, s, out);
      }
    }
  }

  void map(const Node& n, int s, double* out) {
    each(n.shape, [&](const int* at, std::int64_t i) {
      double v[max_operands] = {};
      for (int k = 0; k < n.operand_count; ++k) v[k] = data(n, k, s)[position(operand(n, k).shape, at, n.shape.rank)];
      out[i] = apply(n.map, v[0], v[1], v[2]);
    });
  }

  void lookup(const Node& n, int s, double* out) {
    const Shape& x = operand(n, 0).shape;
    each(n.shape, [&](const int* at, std::int64_t i) {
      const double row = data(n, 1, s)[position(operand(n, 1).shape, at, 3)];
      const double column = data(n, 2, s)[position(operand(n, 2).shape, at, 3)];
      const int from[] = {static_cast<int>(row), static_cast<int>(column), at[2]};
      const bool inside = row >= 0 && row < x.extents[0] && column >= 0 && column < x.extents[1];
      out[i] = inside ? data(n, 0, s)[position(x, from, 3)] : 0;
    });
  }

  void channels(const Node& n, int s, double* out) {
    const int count = n.shape.extents[n.shape.rank - 1];
    const int available = operand(n, 0).shape.extents[n.shape.rank - 1];
    for (std::int64_t i = 0; i < n.shape.count(); ++i) {
      const std::int64_t pixel = i / count, c = i % count + n.index;
      out[i] = c >= 0 && c < available ? data(n, 0, s)[pixel * available + c] : 0;
    }
  }

  /// max_index, gather and scatter.
  void window(const Node& n, int s, double* out) {
    const Window& v = n.window;
    const Shape& pooled = n.op == Op::scatter ? operand(n, 1).shape : n.shape;
    const Shape& image = n.op == Op::scatter ? n.shape : operand(n, 0).shape;
    auto pixel = [&](int p, int q, int c, int index) {  // negative outside of the image
      const int row = p * v.stride_h - v.pad_top + index / v.width;
      const int column = q * v.stride_w - v.pad_left + index % v.width;
      const bool inside = row >= 0 && row < image.extents[0] && column >= 0 && column < image.extents[1];
      return inside ? (row * image.extents[1] + column) * image.extents[2] + c : -1;
    };
    each(pooled, [&](const int* at, std::int64_t i) {
      const int p = at[0], q = at[1], c = at[2];
      if (n.op == Op::max_index) {
        const double* x = data(n, 0, s);
        int best = -1;
        for (int w = 0; w < v.height * v.width; ++w)
          if (pixel(p, q, c, w) >= 0 && (best < 0 || x[pixel(p, q, c, w)] > x[pixel(p, q, c, best)])) best = w;
        out[i] = best;
      } else {
        const int from = pixel(p, q, c, static_cast<int>(data(n, 1, s)[i]));
        if (n.op == Op::gather) out[i] = data(n, 0, s)[from];
        else if (from >= 0) out[from] += data(n, 0, s)[i];
      }
    });
  }

  /// Each product x[h, w, c] * weight[r, s, c, k] belongs to y[p, q, k]; the mode says which of the three is summed.
  void contraction(const Node& n, Values& result) {
    const Window& v = n.window;
    const bool forward = n.mode == Mode::forward, data_gradient = n.mode == Mode::data_gradient;
    const Shape& x = data_gradient ? n.shape : operand(n, 0).shape;
    const Shape& w = forward || data_gradient ? operand(n, 1).shape : n.shape;
    const Shape& y = forward ? n.shape : data_gradient ? operand(n, 0).shape : operand(n, 1).shape;
    const int in_group = w.extents[2], out_group = w.extents[3] / v.groups;
    const bool any_batched = operand(n, 0).batched || operand(n, 1).batched;
    for (int s = 0; s < (any_batched ? samples : 1); ++s) {
      double* out = result.data() + (n.batched ? s * n.shape.count() : 0);
      const double *a = data(n, 0, s), *b = data(n, 1, s);
      for (int p = 0; p < y.extents[0]; ++p)
        for (int q = 0; q < y.extents[1]; ++q)
          for (int r = 0; r < w.extents[0]; ++r)
            for (int t = 0; t < w.extents[1]; ++t) {
              const int row = p * v.stride_h + r * v.dilation_h - v.pad_top;
              const int column = q * v.stride_w + t * v.dilation_w - v.pad_left;
              if (row < 0 || row >= x.extents[0] || column < 0 || column >= x.extents[1]) continue;
              for (int c = 0; c < in_group; ++c)
                for (int k = 0; k < w.extents[3]; ++k) {
                  const int xi = (row * x.extents[1] + column) * x.extents[2] + k / out_group * in_group + c;
                  const int wi = ((r * w.extents[1] + t) * in_group + c) * w.extents[3] + k;
                  const int yi = (p * y.extents[1] + q) * y.extents[2] + k;
                  if (forward) out[yi] += a[xi] * b[wi];
                  else if (data_gradient) out[xi] += a[yi] * b[wi];
                  else out[wi] += a[xi] * b[yi];
                }
            }
    }
  }

  void reduction(const Node& n, Values& y) {
    const Node& o = operand(n, 0);
    if (n.reduce == ReduceOp::squared_deviations) return squared_deviations(n, y);
    std::vector<char> seen(y.size(), 0);
    Values best(y.size(), 0.0);
    for (int s = 0; s < (o.batched ? samples : 1); ++s) {
      const double* x = data(n, 0, s);
      each(o.shape, [&](const int* at, std::int64_t i) {
        std::int64_t among = 0;  // position over the reduced axes
        for (int axis = 0; axis < o.shape.rank; ++axis)
          if (n.index >> axis & 1) among = among * o.shape.extents[axis] + at[axis];
        const auto j =
            static_cast<std::size_t>((n.batched ? s * n.shape.count() : 0) + position(n.shape, at, o.shape.rank));
        if (n.reduce == ReduceOp::sum) {
          y[j] += x[i];
        } else if (!seen[j] || x[i] > best[j]) {
          best[j] = x[i];
          y[j] = n.reduce == ReduceOp::max ? x[i] : static_cast<double>(among);
        }
        seen[j] = 1;
      });
    }
  }

  /// Of each channel over all samples: the mean first.
  void squared_deviations(const Node& n, Values& y) {
    const Values& x = nodes[n.operands[0]];
    Values mean(y.size(), 0.0);
    const double count = static_cast<double>(x.size() / y.size());
    for (std::size_t i = 0; i < x.size(); ++i) mean[i % y.size()] += x[i] / count;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double deviation = x[i] - mean[i % y.size()];
      y[i % y.size()] += deviation * deviation;
    }
  }
};

}  // namespace detail

/// Runs the graph on `samples` samples. Inputs and parameters are indexed as the graph numbers them.
inline Result evaluate(const Graph& graph, int samples, const std::vector<Values>& inputs,
                       const std::vector<Values>& parameters) {
  return detail::Interpreter(graph, samples).run(inputs, parameters);
}

}  // namespace inlay::reference
