// A plan's stages in words: `multiply -> conv2d 3x3 1->32 + bias + relu + max_pool 2x2`. What comes before the arrow
// happens while operands are loaded, what follows the root happens before anything is stored. Read off the Bodies,
// so the words are what the kernels do.
#pragma once

#include <inlay/graph/plan.hpp>
#include <string>
#include <vector>

namespace inlay {

inline const char* name_of(MapOp op) {
  constexpr const char* names[] = {"copy",    "stop_gradient", "negate",    "abs",     "exp",      "log",      "sqrt",
                                   "tanh",    "erf",           "is_finite", "add",     "subtract", "multiply", "divide",
                                   "maximum", "minimum",       "equal",     "greater", "select"};
  return names[static_cast<int>(op)];
}

inline const char* name_of(ReduceOp op) {
  constexpr const char* names[] = {"sum", "max", "argmax", "squared deviations"};
  return names[static_cast<int>(op)];
}

/// "28x28x64"; "1" for a number.
inline std::string to_words(const Shape& shape) {
  if (shape.rank == 0) return "1";
  std::string text;
  for (int i = 0; i < shape.rank; ++i) {
    if (i > 0) text += 'x';
    text += std::to_string(shape.extents[i]);
  }
  return text;
}

namespace detail {

class StageWords {
 public:
  StageWords(const Plan& of, const Launch& in, const Stage& stage)
      : p(of), launch(in), s(stage), n(of.nodes.data[stage.root]) {}

  std::string text() {
    std::string words;
    const bool gradient = s.kind == StageKind::contraction && n.mode == Mode::weight_gradient;
    const std::vector<std::string> a = body(s.a), b = gradient ? body(s.b) : std::vector<std::string>();
    if (!a.empty()) words.append(gradient ? "x: " : "").append(join(a));
    if (!b.empty()) words.append(a.empty() ? "dy: " : ", dy: ").append(join(b));
    if (!words.empty()) words += " -> ";
    std::vector<std::string> after;
    if (s.kind != StageKind::elementwise) after.push_back(root());
    append(after, body(s.main));
    if (s.pooled.rank > 0 && s.kind == StageKind::contraction) after.push_back(pool());
    append(after, body(s.post));
    if (after.empty()) after.push_back("copy");
    words += join(after);
    if (s.side.count > 0) {
      std::vector<std::string> side;
      if (gradient) side.push_back("sum");
      append(side, body(s.side));
      words.append(gradient ? ", dy: " : ", by channel: ").append(join(side));
    }
    for (std::size_t i = 0; i < updates.size(); ++i) words += (i == 0 ? " => " : ", ") + updates[i];
    return words;
  }

 private:
  const Plan& p;
  const Launch& launch;
  const Stage& s;
  const Node n;
  std::vector<std::string> updates;  // parameters whose next values are stored

  static void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }
  static std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " + ") + word;
    return text;
  }
  static std::string times(int a, int b) { return std::to_string(a) + "x" + std::to_string(b); }
  std::string pool() const { return std::string("max_pool ").append(times(s.pool.height, s.pool.width)); }

  const Value& value(int slot) const { return p.values.data[p.bindings.data[launch.bindings.first + slot]]; }
  std::string parameter_name(const Value& v) const { return p.parameters.data[v.index].name.text; }

  std::string root() const {
    switch (s.kind) {
      case StageKind::contraction: return contraction();
      case StageKind::pooling: return pool();
      case StageKind::reduction: break;
      case StageKind::elementwise: return "";
    }
    const std::string over = n.over_batch ? " over samples" : "";
    return std::string(name_of(n.reduce)) + over + " of " + to_words(p.nodes.data[n.operands[0]].shape);
  }

  std::string contraction() const {
    const Shape& x = n.mode == Mode::data_gradient ? s.domain : s.input;
    const Shape& y = n.mode == Mode::forward ? s.domain : n.mode == Mode::data_gradient ? s.input : s.second;
    const Window& w = n.window;
    const std::string channels = std::to_string(x.extents[3]) + "->" + std::to_string(y.extents[3]);
    std::string words;
    if (x.extents[1] * w.height * w.width * w.stride_h * w.stride_w == 1 && y.extents[1] == 1) {
      const int rows = y.extents[2];
      if (rows == 1) words.append("dense ").append(channels);
      else
        words.append("matmul ")
            .append(times(rows, x.extents[3]))
            .append(" * ")
            .append(times(x.extents[3], y.extents[3]));
    } else {
      words.append("conv2d ").append(times(w.height, w.width)).append(" ").append(channels);
      if (w.stride_h * w.stride_w > 1) words.append(" stride ").append(times(w.stride_h, w.stride_w));
      if (w.groups > 1) words.append(" groups ").append(std::to_string(w.groups));
    }
    if (n.mode == Mode::data_gradient) return words + " data gradient";
    return n.mode == Mode::weight_gradient ? words + " weight gradient" : words;
  }

  /// The functions that a Body applies. Long runs of plain arithmetic are counted only.
  std::vector<std::string> body(const Range& range) {
    std::vector<std::string> words, run;
    auto flush = [&] {
      if (run.size() > 4) words.push_back(std::to_string(run.size()) + " maps");
      else append(words, run);
      run.clear();
    };
    for (int i = range.first; i < range.first + range.count; ++i) {
      const Step& step = p.steps.data[i];
      if (step.kind == StepKind::scatter) {
        flush();
        words.push_back(std::string("unpool ").append(times(step.window.height, step.window.width)));
      }
      if (step.kind == StepKind::gather) run.push_back("gather");
      if (step.kind == StepKind::random) run.push_back("random");
      if (step.kind == StepKind::lookup) run.push_back("lookup");
      if (step.kind == StepKind::channels) run.push_back("channels");
      if (step.kind == StepKind::total) run.push_back(name_of(step.reduce));
      if (step.kind == StepKind::store && value(step.slot).storage == Storage::parameter) update(value(step.slot));
      if (step.kind != StepKind::apply || step.map == MapOp::copy) continue;
      const std::string special = named(step, range);
      if (special.empty()) {
        run.push_back(name_of(step.map));
      } else if (special != "mask") {
        flush();
        words.push_back(special);
      }
    }
    flush();
    return words;
  }

  /// The state that an optimiser keeps for a parameter ("2.conv2d.kernel.adam_m") goes without saying.
  void update(const Value& v) {
    const std::string name = parameter_name(v), owner = name.substr(0, name.rfind('.'));
    for (const Parameter& parameter : p.parameters)
      if (parameter.name.text == owner) return;
    updates.push_back(name);
  }

  const Step& operand(const Step& step, const Range& range, int k) const {
    return p.steps.data[range.first + step.registers[k]];
  }
  static bool is_zero(const Step& step) { return step.kind == StepKind::constant && step.value == 0; }

  /// A better word than the function's own, or "". "mask": a part of a relu gradient, said there.
  std::string named(const Step& step, const Range& range) const {
    if (step.map == MapOp::maximum && is_zero(operand(step, range, 1))) return "relu";
    if (step.map == MapOp::greater && is_zero(operand(step, range, 1))) return "mask";
    if (step.map == MapOp::select && is_zero(operand(step, range, 2)) &&
        operand(step, range, 0).kind == StepKind::apply && operand(step, range, 0).map == MapOp::greater)
      return "relu gradient";
    for (int k = 0; k < arity(step.map); ++k) {
      const Step& o = operand(step, range, k);
      if (o.kind != StepKind::load || value(o.slot).storage != Storage::parameter) continue;
      const std::string path = parameter_name(value(o.slot)), last = path.substr(path.rfind('.') + 1);
      if (last == "kernel" || s.side.count > 0) continue;
      if (step.map == MapOp::add) return last;
      if (step.map == MapOp::multiply) return "multiply by " + last;
    }
    return "";
  }
};

}  // namespace detail

/// What a launch does; stages that share it are separated by semicolons.
inline std::string describe(const Plan& p, int launch) {
  const Launch& l = p.launches.data[launch];
  std::string words;
  for (int s = l.stages.first; s < l.stages.first + l.stages.count; ++s)
    words += (words.empty() ? "" : "; ") + detail::StageWords(p, l, p.stages.data[s]).text();
  return words;
}

}  // namespace inlay
