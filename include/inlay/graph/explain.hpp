// explain<Net>(): the plan of a network as a table, a line for each launch: what it computes, the bytes that it
// moves, and how long a device at its peak rates would take (its roofline), so that it shows where time must go.
//
//   std::fputs(explain<Net>(devices::h100, 256).c_str(), stdout);
#pragma once

#include <cstdio>
#include <inlay/graph/cost.hpp>
#include <inlay/graph/device_specs.hpp>
#include <inlay/graph/words.hpp>
#include <string>

namespace inlay {

/// Where contractions are computed. On tensor cores operands are rounded to bf16 or fp16.
enum class Arithmetic { fp32, tensor };

/// The least seconds per sample that a device needs: the longer of computing and moving the bytes.
struct Roofline {
  double compute, memory;

  constexpr double seconds() const { return compute > memory ? compute : memory; }
};

constexpr Roofline roofline(const Cost& cost, const DeviceSpec& device, int batch, Arithmetic arithmetic) {
  auto each = [batch](const Amount& amount) {
    return static_cast<double>(amount.per_sample) + static_cast<double>(amount.shared) / batch;
  };
  const bool tensor = arithmetic == Arithmetic::tensor && device.tensor_flops > 0;
  const double contraction_rate = tensor ? device.tensor_flops : device.fp32_flops;
  return {each(cost.flops) / contraction_rate + each(cost.elementwise) / device.fp32_flops,
          (each(cost.read) + each(cost.written)) / device.bytes_per_second};
}

namespace detail {

template <class... Numbers>
std::string formatted(const char* format, Numbers... numbers) {
  char line[256];
  std::snprintf(line, sizeof line, format, numbers...);
  return line;
}

inline std::string row(const char* number, const Cost& cost, int batch, const Roofline& time, const std::string& what) {
  auto kilobytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1000; };
  return formatted(
             "%5s %9.3f %9.1f %9.1f %10.1f %9.3f %-7s ", number,
             static_cast<double>(cost.flops.per_sample) / 1e6 + static_cast<double>(cost.flops.shared) / 1e6 / batch,
             kilobytes(cost.read.per_sample), kilobytes(cost.written.per_sample),
             kilobytes(cost.read.shared + cost.written.shared), time.seconds() * 1e6,
             time.compute > time.memory ? "compute" : "memory") +
         what + "\n";
}

inline std::string explain_plan(const Plan& p, std::int64_t parameter_count, const DeviceSpec& device, int batch,
                                Arithmetic arithmetic) {
  std::string text = formatted("%d launches, %d stages; times on %s in %s, batch %d\n", p.launches.size, p.stages.size,
                               device.name, arithmetic == Arithmetic::tensor ? "tensor cores" : "fp32", batch);
  text += "          a sample:                       a run:  a sample:\n";
  text += "launch     MFLOP   KB read  KB wrote  KB shared   time us limit   what\n";
  Cost total;
  double seconds = 0;
  for (int l = 0; l < p.launches.size; ++l) {
    const Cost cost = cost_of_launch(p, l);
    const Roofline time = roofline(cost, device, batch, arithmetic);
    total += cost;
    seconds += time.seconds();
    text += row(std::to_string(l).c_str(), cost, batch, time, describe(p, l));
  }
  text += row("total", total, batch, roofline(total, device, batch, arithmetic),
              formatted("%.3f us a sample with every launch at its own limit\n", seconds * 1e6));
  text += formatted("moved: %.1f KB a sample (%.1f if every primitive were a kernel of its own)\n",
                    static_cast<double>(total.read.per_sample + total.written.per_sample) / 1000,
                    static_cast<double>(bytes_node_by_node(p).per_sample) / 1000);
  text += formatted("parameters: %lld\n", static_cast<long long>(parameter_count));
  text += formatted("arena: %lld bytes a sample (%lld if every value had its own), %lld shared\n",
                    static_cast<long long>(p.arena_bytes_per_sample),
                    static_cast<long long>(p.unplanned_bytes_per_sample), static_cast<long long>(p.arena_bytes_shared));
  return text;
}

inline std::int64_t trainable_elements(const Plan& p) {
  std::int64_t total = 0;
  for (const Parameter& parameter : p.parameters)
    if (parameter.trainable) total += parameter.shape.count();
  return total;
}

}  // namespace detail

/// The plan of any Program (of a training step, say). Counts the trainable parameters.
template <class Source, Element Stored>
std::string explain(Program<Source, Stored>, const DeviceSpec& device = devices::t4, int batch = 64,
                    Arithmetic arithmetic = Arithmetic::fp32) {
  const Plan p = thaw(Program<Source, Stored>::plan);
  return detail::explain_plan(p, detail::trainable_elements(p), device, batch, arithmetic);
}

/// The plan of a network's inference.
template <class Net>
std::string explain(const DeviceSpec& device = devices::t4, int batch = 64, Arithmetic arithmetic = Arithmetic::fp32) {
  return detail::explain_plan(thaw(Program<Inference<Net>>::plan), inlay::plan<Net>.parameter_count, device, batch,
                              arithmetic);
}

}  // namespace inlay
