// Peak rates of devices, for roofline times in `explain`, and what the multiprocessors of GPUs hold, for
// `cuda::explain`. Figures are the vendors' (dense, without sparsity); what a kernel reaches is less. A device that
// isn't here is a DeviceSpec of your own.
#pragma once

namespace inlay {

/// Of a GPU; `count` is 0 for other devices. Capacities are those of one: "CUDA C++ Programming Guide", technical
/// specifications per compute capability. All have 65,536 registers.
struct Multiprocessors {
  int count = 0;
  double clock = 0;        // Hz, where the peak rates are reached
  int shared_bytes = 0;    // of shared memory
  int reserved_bytes = 0;  // of these, for each block that is there
  int threads = 0, blocks = 0;
  double tensor_share = 1;     // of the peak that `mma.sync` can reach
  double warpgroup_share = 0;  // likewise of `wgmma`; 0: there is no such instruction
};

struct DeviceSpec {
  const char* name;
  double fp32_flops;        // FLOP/s, outside of tensor cores
  double tensor_flops;      // FLOP/s of fp16 or bf16 operands summed in fp32; 0: no tensor cores
  double bytes_per_second;  // of its own memory
  Multiprocessors multiprocessors{};
};

namespace devices {

/// "NVIDIA T4 Tensor Core GPU" data sheet: 8.1 TFLOPS single, 65 TFLOPS mixed precision, 320+ GB/s GDDR6.
inline constexpr DeviceSpec t4{"NVIDIA T4", 8.1e12, 65e12, 320e9, {40, 1.59e9, 64 * 1024, 0, 1024, 16}};

/// "NVIDIA T400" data sheet: 1.094 TFLOPS single, 64-bit GDDR6, up to 80 GB/s. TU117, like T600, T1000 and GTX 16xx,
/// is compute capability 7.5 without tensor cores.
inline constexpr DeviceSpec t400{"NVIDIA T400", 1.094e12, 0, 80e9, {6, 1.425e9, 64 * 1024, 0, 1024, 16}};

/// "NVIDIA Ada GPU architecture" white paper, appendix A: 82.6 TFLOPS FP32, 165.2 TFLOPS FP16 tensor with FP32
/// accumulate, 1008 GB/s GDDR6X.
inline constexpr DeviceSpec rtx_4090{
    "GeForce RTX 4090", 82.6e12, 165.2e12, 1008e9, {128, 2.52e9, 100 * 1024, 1024, 1536, 24}};

/// "NVIDIA A100 Tensor Core GPU" data sheet, 80 GB SXM: 19.5 TFLOPS FP32, 312 TFLOPS BF16 tensor, 2,039 GB/s.
inline constexpr DeviceSpec a100{
    "NVIDIA A100 80GB SXM", 19.5e12, 312e12, 2039e9, {108, 1.41e9, 164 * 1024, 1024, 2048, 32}};

/// "NVIDIA H100 Tensor Core GPU" data sheet, SXM: 67 TFLOPS FP32, 3.35 TB/s; BF16 tensor 1,979 TFLOPS with
/// sparsity, so 989.4 dense ("NVIDIA H100 Tensor Core GPU architecture" white paper). mma.sync reaches 62.9 %
/// of that, wgmma, which programs compiled for sm_90a have, 96.4 % (arXiv 2501.12084).
inline constexpr DeviceSpec h100{
    "NVIDIA H100 SXM", 67e12, 989.4e12, 3350e9, {132, 1.83e9, 228 * 1024, 1024, 2048, 32, 0.629, 0.964}};

/// Two cores of an AMD EPYC (Zen 4) in a virtual machine, measured: 230 GFLOP/s of AVX-512 FMA, 36 GB/s
/// read from memory by both cores together.
inline constexpr DeviceSpec cpu_2_cores{"CPU, 2 cores with AVX-512", 230e9, 0, 36e9};

}  // namespace devices
}  // namespace inlay
