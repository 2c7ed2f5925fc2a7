/* fake_cuda.h -- what tests ask of the test double of the CUDA driver, besides the driver API.
 *
 * The library (CMake target fake_cuda) exports the driver API's entry points, backed by the PTX
 * emulator. Work runs on the host at once when it is enqueued; a fault shows, as on a device, in
 * the calls that follow, and stays for the context's life. Device addresses are not host
 * addresses: the host cannot touch device memory but by copying.
 *
 * Environment, read when the library is first called:
 *   SWAGE_FAKE_CUDA_DEVICES  devices present (1)
 *   SWAGE_FAKE_CUDA_SM       compute capability of each (90); several, one a device: 90,100
 *   SWAGE_FAKE_CUDA_CLUSTER  blocks of the largest cluster that may be asked for (16 of sm_90, 100
 *                            and 103, 8 of others)
 *   SWAGE_FAKE_CUDA_POOLS    0: a device without memory pools (1)
 *   SWAGE_FAKE_CUDA_VERSION  what cuDriverGetVersion says (13000)
 *   SWAGE_FAKE_CUDA_FAIL     call:result pairs that fail, comma-separated: cuModuleLoadDataEx:209
 *   SWAGE_FAKE_CUDA_PLANT    FIND=>REPLACE: a fault that the assembler plants in PTX, wherever it
 *                            reads FIND; PTX without it is refused as invalid
 *   SWAGE_FAKE_CUDA_WORST    if set and not 0, approximate instructions err by all that PTX allows
 *   SWAGE_FAKE_CUDA_BUDGET   as swage_fake_cuda_set_budget
 *   SWAGE_FAKE_CUDA_JITTER   as swage_fake_cuda_set_jitter
 *   SWAGE_FAKE_CUDA_TRACE    if set and not 0, every call is named on stderr
 */
#ifndef SWAGE_FAKE_CUDA_H
#define SWAGE_FAKE_CUDA_H

#include <stddef.h>

#if defined(SWAGE_FAKE_CUDA_BUILD)
#define SWAGE_FAKE_CUDA_API __attribute__((visibility("default")))
#else
#define SWAGE_FAKE_CUDA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned long long swage_fake_cuda_count;

/* Calls of one entry point, by exported name (cuMemAlloc_v2), since the last reset; of all for
 * NULL. Calls that fail count too. */
SWAGE_FAKE_CUDA_API swage_fake_cuda_count swage_fake_cuda_calls(const char* name);

typedef struct swage_fake_cuda_counter {
  const char* name; /* lives as long as the library */
  swage_fake_cuda_count calls;
} swage_fake_cuda_counter;

/* Every entry point called since the last reset, in alphabetical order, at most `capacity` of
 * them; returns how many there are. */
SWAGE_FAKE_CUDA_API size_t swage_fake_cuda_counters(swage_fake_cuda_counter* counters,
                                                    size_t capacity);

/* Executed instructions whose opcode begins with `prefix` ("ex2", "ld.global.nc"), summed over
 * threads, since the last reset; all for NULL. */
SWAGE_FAKE_CUDA_API swage_fake_cuda_count swage_fake_cuda_executed(const char* prefix);

/* Objects alive: "context", "module", "allocation", "stream", "event", "graph", "linker". */
SWAGE_FAKE_CUDA_API swage_fake_cuda_count swage_fake_cuda_live(const char* kind);

/* The next `times` calls of `name` return `result` without doing anything; all if negative. */
SWAGE_FAKE_CUDA_API void swage_fake_cuda_fail(const char* name, int result, int times);

/* 0: approximate instructions return the nearest value. 1: they err by up to PTX's bound. */
SWAGE_FAKE_CUDA_API void swage_fake_cuda_set_approximation(int worst_case, unsigned long long seed);

/* How many more instructions, summed over threads, are executed. Of each grid after that only the
 * first block runs, and the device's clock reckons the others from it: for timing and tuning, whose
 * results nobody reads. Without limit at first; a reset does not change it. */
SWAGE_FAKE_CUDA_API void swage_fake_cuda_set_budget(unsigned long long instructions);

/* Every time between two events is longer by a share between 0 and this, as on a device that other
 * processes use. A reset does not change it. */
SWAGE_FAKE_CUDA_API void swage_fake_cuda_set_jitter(double share);

/* What the last faulting kernel did, "" if none has; valid until the next fault or reset. */
SWAGE_FAKE_CUDA_API const char* swage_fake_cuda_last_fault(void);

/* Forgets counts, injected failures, faults and the approximation; objects stay. */
SWAGE_FAKE_CUDA_API void swage_fake_cuda_reset(void);

#ifdef __cplusplus
}
#endif

#endif
