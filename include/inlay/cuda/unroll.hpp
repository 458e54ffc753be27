// Marks loops whose trip count decides whether arrays stay in registers. For host compilers it means nothing.
#pragma once

#if defined(__CUDACC__)
#define INLAY_UNROLL _Pragma("unroll")
#define INLAY_NO_UNROLL _Pragma("unroll 1")
#else
#define INLAY_UNROLL
#define INLAY_NO_UNROLL
#endif
