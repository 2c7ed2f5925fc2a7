/* swage.h -- the C ABI: kernels from strings, compiled on first use, launched on any device.
 *
 *   swage_device* device;
 *   swage_kernel* kernel;
 *   const char* types[] = {"T=bf16"};
 *   swage_device_open(NULL, &device);
 *   swage_kernel_create(device, source, "swiglu", types, 1, NULL, &kernel);
 *   swage_arg args[] = {swage_tensor(&gate), swage_tensor(&up), swage_tensor(&h)};
 *   if (swage_kernel_launch(kernel, stream, args, 3) != SWAGE_OK) puts(swage_last_error());
 *
 * Every function may be called from any thread, on one handle from many at once; only a handle that
 * is being destroyed must not be in use elsewhere. Nothing throws, and nothing ends the process.
 * Functions that can fail return a status; what they write through pointers they write only when
 * they return SWAGE_OK. Strings are UTF-8 and end with a zero byte. */
#ifndef SWAGE_SWAGE_H
#define SWAGE_SWAGE_H

#include <stddef.h>
#include <stdint.h>

#include "swage/dlpack.h"
#include "swage/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. The numbers never change. */
typedef enum swage_status {
  SWAGE_OK = 0,
  SWAGE_INVALID_KERNEL = 1,   /* the kernel text, its name or its bindings are wrong */
  SWAGE_INVALID_ARGUMENT = 2, /* a tensor, scalar, shape, schedule or option does not fit */
  SWAGE_UNSUPPORTED = 3,      /* legal, but not on this device, target or math mode */
  SWAGE_NO_DEVICE = 4,        /* the device asked for is not there */
  SWAGE_DRIVER = 5,           /* the CUDA driver reported a failure */
  SWAGE_OUT_OF_MEMORY = 6,    /* host or device memory ran out */
  SWAGE_IO = 7,               /* a file could not be read or written */
  SWAGE_NOT_PREPARED = 8,     /* a launch under stream capture would have had to compile */
  SWAGE_INTERNAL = 9          /* a defect in Swage: please report it */
} swage_status;

typedef struct swage_device swage_device; /* a GPU or the CPU */
typedef struct swage_kernel swage_kernel; /* a kernel bound to a device */

/* --- The library --- */

/* "0.1.0". Lives as long as the library. */
SWAGE_EXPORT const char* swage_version(void);

/* The message of the last call that failed on this thread: what was found, what was expected, what
 * to do; for kernel text every diagnostic. "" if none failed yet. Valid until the next call that
 * fails on this thread. */
SWAGE_EXPORT const char* swage_last_error(void);

/* The CUDA driver's log for that failure; "" unless it refused to load code. Valid as above. */
SWAGE_EXPORT const char* swage_last_build_log(void);

/* What the CUDA driver returned at that failure (a CUresult); 0 where it had no part in it. */
SWAGE_EXPORT int32_t swage_last_driver_result(void);

/* Takes the place of the environment: `count` strings "SWAGE_NAME=VALUE" as in docs/settings.md,
 * and where the lines of the log go (null: standard error): `line` has no end and lives during the
 * call, which may come from any thread. Once, before anything else of the library is used. */
SWAGE_EXPORT swage_status swage_configure(const char* const* settings, size_t count,
                                          void (*log)(void* user, const char* line), void* user);

/* --- Devices --- */

typedef enum swage_device_kind { SWAGE_CPU = 0, SWAGE_CUDA = 1 } swage_device_kind;

/* Structs that a caller fills or reads begin with their size, and later versions append to them:
 * set it to sizeof, as compiled. A library serves smaller ones. */
typedef struct swage_device_info {
  size_t size;            /* in: sizeof(swage_device_info); out: how many bytes are filled in */
  int32_t kind;           /* a swage_device_kind */
  int32_t index;          /* CUDA ordinal; 0 for the CPU */
  const char* id;         /* "cuda:0", "cpu": what swage_device_open takes */
  const char* name;       /* "NVIDIA H200" */
  const char* target;     /* "sm_90", "x86_64 znver5" */
  int32_t compute_units;  /* multiprocessors, or hardware threads this process may use */
  int32_t driver_version; /* 13000 is CUDA 13.0; 0 for the CPU */
  int64_t memory_bytes;
  int64_t cache_bytes;          /* last-level cache */
  double peak_bytes_per_second; /* 0 if not known */
} swage_device_info;

/* The number of devices: every CUDA GPU that the driver lists, then the CPU. Creates no context. */
SWAGE_EXPORT swage_status swage_device_count(int32_t* count);

/* Device `index` of that list. Close it with swage_device_close. */
SWAGE_EXPORT swage_status swage_device_at(int32_t index, swage_device** device);

/* Opens "cuda:N" or "cpu". Null or "": $SWAGE_DEVICE, else the first GPU, else the CPU.
 * SWAGE_NO_DEVICE if it is not there. */
SWAGE_EXPORT swage_status swage_device_open(const char* id, swage_device** device);

/* Gives the handle back; kernels made from it stay usable. Null is allowed. */
SWAGE_EXPORT void swage_device_close(swage_device* device);

/* Describes the device in `info`, whose size is set. The strings live as long as the process. */
SWAGE_EXPORT swage_status swage_device_describe(const swage_device* device,
                                                swage_device_info* info);

/* Waits for everything launched on the device. */
SWAGE_EXPORT swage_status swage_device_synchronize(const swage_device* device);

/* --- Kernels --- */

typedef enum swage_math {
  SWAGE_MATH_DEFAULT = -1, /* what the kernel text says, else accurate */
  SWAGE_MATH_ACCURATE = 0,
  SWAGE_MATH_TRITON = 1,
  SWAGE_MATH_FAST = 2,
  SWAGE_MATH_TORCH = 3
} swage_math;

/* Set to swage_default_options() before changing fields. */
typedef struct swage_options {
  size_t size;          /* sizeof(swage_options) as compiled: later versions may append fields */
  int32_t math;         /* a swage_math */
  const char* schedule; /* "threads=128 bytes=16"; null: tuned, else the default */
  const char* file;     /* name of the text in diagnostics; null: "<kernel>" */
} swage_options;

static inline swage_options swage_default_options(void) {
  swage_options options;
  options.size = sizeof options;
  options.math = SWAGE_MATH_DEFAULT;
  options.schedule = NULL;
  options.file = NULL;
  return options;
}

/* Parses `source` and binds kernel `name`, which may be null or "" if the text declares only one.
 * `bindings` holds `binding_count` strings "NAME=VALUE" for generic types and `const` parameters:
 * "T=bf16", "limit=5.0". `options` may be null. Compiles nothing yet. Destroy the kernel with
 * swage_kernel_destroy. SWAGE_INVALID_KERNEL with every diagnostic if the text is wrong. */
SWAGE_EXPORT swage_status swage_kernel_create(const swage_device* device, const char* source,
                                              const char* name, const char* const* bindings,
                                              size_t binding_count, const swage_options* options,
                                              swage_kernel** kernel);

/* The same for a kernel of the catalogue, by name: "swiglu". */
SWAGE_EXPORT swage_status swage_kernel_from_catalogue(const swage_device* device, const char* name,
                                                      const char* const* bindings,
                                                      size_t binding_count,
                                                      const swage_options* options,
                                                      swage_kernel** kernel);

/* The catalogue is files of kernel text, in the order of their names. */
SWAGE_EXPORT swage_status swage_catalogue_count(size_t* count);

/* File `index`: its name ("swiglu.swg") and its text, which live as long as the library. */
SWAGE_EXPORT swage_status swage_catalogue_file(size_t index, const char** name, const char** text);

/* Gives the handle back. Launches in flight and captured graphs are not disturbed (but see
 * swage_unload_unused). Null is allowed. */
SWAGE_EXPORT void swage_kernel_destroy(swage_kernel* kernel);

/* What the kernel caches of this process have done so far. A request is the first launch of a
 * kernel handle for a kind of call; later launches look nothing up. */
typedef struct swage_cache_counters {
  size_t size; /* in: sizeof(swage_cache_counters) as compiled; out: how many bytes are filled in,
                  fewer where the library is older, for later versions append */
  uint64_t hits_memory; /* loaded before, by this or another kernel handle */
  uint64_t hits_disk;
  uint64_t hits_bundle;
  uint64_t misses; /* compiled */
  uint64_t publishes;
  uint64_t publish_failures;
  uint64_t evictions;
  uint64_t defects; /* entries that could not be read or were not what they should be */
  uint64_t bytes_read;
  uint64_t bytes_written;
  uint64_t functions_loaded; /* now in memory */
  uint64_t bytes_loaded;     /* of their code */
} swage_cache_counters;
SWAGE_EXPORT swage_status swage_cache_statistics(swage_cache_counters* counters);

/* Unloads the code of every device that no kernel handle refers to; `count`, which may be null,
 * receives how many functions went. GPU code stays loaded until this is called, for the driver
 * cannot tell whether a launch in flight or a graph still runs it. So the caller vouches: nothing
 * that destroyed kernels launched is in flight, and no graph that captured such a launch is
 * launched again. */
SWAGE_EXPORT swage_status swage_unload_unused(size_t* count);

/* The kernel's name, and the bound kernel as language text. Live as long as the handle. Null for
 * null. */
SWAGE_EXPORT const char* swage_kernel_name(const swage_kernel* kernel);
SWAGE_EXPORT const char* swage_kernel_text(const swage_kernel* kernel);

/* What a parameter is to a call, and how many values a tensor holds: one for each element, row,
 * column or group of neighbouring columns of a row, or one in all; or it is a vector that the
 * kernel reads by an index. */
typedef enum swage_role {
  SWAGE_IN = 0,
  SWAGE_OUT = 1,
  SWAGE_INOUT = 2,
  SWAGE_SCALAR = 3
} swage_role;
typedef enum swage_space {
  SWAGE_ELEMENT = 0,
  SWAGE_ROW = 1,
  SWAGE_COLUMN = 2,
  SWAGE_GROUP = 3,
  SWAGE_TENSOR = 4,
  SWAGE_TABLE = 5,
  SWAGE_COLUMN_GROUP = 6
} swage_space;

typedef struct swage_parameter {
  size_t size;      /* in: sizeof(swage_parameter); out: how many bytes are filled in */
  const char* name; /* lives as long as the handle */
  int32_t role;     /* a swage_role */
  int32_t space;    /* a swage_space */
  DLDataType type;
  int32_t group; /* SWAGE_GROUP: columns of a group, SWAGE_COLUMN_GROUP: rows; 0 otherwise */
} swage_parameter;

/* The parameters that a launch takes arguments for, in their order; `const` ones are bound and not
 * among them. */
SWAGE_EXPORT swage_status swage_kernel_parameter_count(const swage_kernel* kernel, size_t* count);
SWAGE_EXPORT swage_status swage_kernel_parameter(const swage_kernel* kernel, size_t index,
                                                 swage_parameter* parameter);

/* A `const` parameter: what it was bound to when the kernel was made, and what it is where nothing
 * binds it. */
typedef struct swage_constant {
  size_t size;      /* in: sizeof(swage_constant); out: how many bytes are filled in */
  const char* name; /* lives as long as the handle */
  DLDataType type;
  int32_t has_default;     /* 0: every kernel has to bind it */
  double value;            /* of a float type, as the type holds it; 0 otherwise */
  double default_value;    /* the same; 0 without a default */
  int64_t integer;         /* of an integer type or bool; 0 otherwise */
  int64_t default_integer; /* the same; 0 without a default */
} swage_constant;

/* The `const` parameters of the kernel, in their order. */
SWAGE_EXPORT swage_status swage_kernel_constant_count(const swage_kernel* kernel, size_t* count);
SWAGE_EXPORT swage_status swage_kernel_constant(const swage_kernel* kernel, size_t index,
                                                swage_constant* constant);

/* --- Launching --- */

typedef enum swage_arg_kind {
  SWAGE_ARG_TENSOR = 0,
  SWAGE_ARG_REAL = 1,
  SWAGE_ARG_INTEGER = 2
} swage_arg_kind;

/* One argument: a tensor, or the value of a run-time scalar. */
typedef struct swage_arg {
  int32_t kind; /* a swage_arg_kind */
  union {
    const DLTensor* tensor; /* read during the call, not kept */
    double real;
    int64_t integer;
  } value;
} swage_arg;

static inline swage_arg swage_tensor(const DLTensor* tensor) {
  swage_arg arg;
  arg.kind = SWAGE_ARG_TENSOR;
  arg.value.tensor = tensor;
  return arg;
}
static inline swage_arg swage_real(double real) {
  swage_arg arg;
  arg.kind = SWAGE_ARG_REAL;
  arg.value.real = real;
  return arg;
}
static inline swage_arg swage_integer(int64_t integer) {
  swage_arg arg;
  arg.kind = SWAGE_ARG_INTEGER;
  arg.value.integer = integer;
  return arg;
}

/* Runs the kernel on `count` arguments in the order of its parameters, `const` ones left out.
 * CUDA: asynchronous on `stream`, a CUstream or cudaStream_t of the kernel's device; null is the
 * default stream. Never synchronises; may be captured into a graph. CPU: `stream` is ignored and
 * the work is done on return.
 * Tensors: DLPack types float of 16, 32 and 64 bits, bfloat16, float8_e4m3fn, float8_e5m2, both
 * with fnuz, float8_e8m0fnu, float4_e2m1fn (two to a byte, or in lanes of two with a shape and
 * strides that count pairs, as PyTorch has it), int of 8 to 64 bits, uint8 and bool, else one lane;
 * on the kernel's device (or host memory that CUDA maps, or managed memory). Shapes agree after
 * [row] and [col] broadcasts; an output may be the same view as an input of its space but overlap
 * none in part. Zero elements do nothing. Compiles on the first call of its kind.
 * SWAGE_INVALID_ARGUMENT says which argument does not fit and why. */
SWAGE_EXPORT swage_status swage_kernel_launch(const swage_kernel* kernel, void* stream,
                                              const swage_arg* args, size_t count);

/* The same, argument i for the parameter called names[i], in any order. */
SWAGE_EXPORT swage_status swage_kernel_launch_named(const swage_kernel* kernel, void* stream,
                                                    const char* const* names, const swage_arg* args,
                                                    size_t count);

/* What a launch may be given beside its arguments. Set to swage_default_launch_options() before
 * changing fields. */
typedef struct swage_launch_options {
  size_t size; /* sizeof(swage_launch_options) as compiled: later versions may append fields */
  /* Device memory of at least swage_kernel_workspace_bytes, aligned to 256 bytes, that nothing else
   * uses until the launch is done; null: the library takes memory in the order of the stream. */
  void* workspace;
  size_t workspace_bytes; /* of the memory at `workspace` */
  /* Counts of rows in memory of the device, of 32 or 64 bits with a sign, contiguous: one, for the
   * rows of the call in their order over all leading dimensions, or one for each batch of a call of
   * shape [batches, rows, columns]. Rows at or beyond the count are neither read nor written, and
   * add nothing to sums over rows. CUDA reads counts when the launch runs, so a graph serves
   * whatever they are then. Null: all rows. The DLTensor is read
   * during the call and not kept; the counts must stay until the launch is done, those of a
   * captured launch as long as its graph is launched. */
  const DLTensor* valid_rows;
} swage_launch_options;

static inline swage_launch_options swage_default_launch_options(void) {
  swage_launch_options options = {sizeof(swage_launch_options), NULL, 0, NULL};
  return options;
}

/* swage_kernel_launch with options, which may be null. */
SWAGE_EXPORT swage_status swage_kernel_launch_with(const swage_kernel* kernel, void* stream,
                                                   const swage_arg* args, size_t count,
                                                   const swage_launch_options* options);

/* Bytes of device memory that launching these arguments may need beside them: for sums over rows,
 * whose parts wait there for a second launch, and for what the steps of a kernel leave each other.
 * A function of the shape alone; 0 for kernels with neither, and on the CPU. Compiles nothing. */
SWAGE_EXPORT swage_status swage_kernel_workspace_bytes(const swage_kernel* kernel,
                                                       const swage_arg* args, size_t count,
                                                       size_t* bytes);

/* Compiles and loads whatever launching these arguments would need, so that the launch itself
 * never compiles. Touches no tensor data. */
SWAGE_EXPORT swage_status swage_kernel_prepare(const swage_kernel* kernel, const swage_arg* args,
                                               size_t count);

/* The same for launches with options, which may be null. */
SWAGE_EXPORT swage_status swage_kernel_prepare_with(const swage_kernel* kernel,
                                                    const swage_arg* args, size_t count,
                                                    const swage_launch_options* options);

/* What a call passes for one parameter, without memory. Where a scalar stands any will do. */
typedef struct swage_arg_spec {
  size_t size; /* sizeof(swage_arg_spec) */
  DLDataType type;
  int32_t ndim;
  const int64_t* shape;
  const int64_t* strides; /* in elements; null: contiguous, row-major */
  int64_t alignment;      /* of the first element, in bytes: a power of two */
  int32_t same_as;        /* the argument whose view this is, as in place; -1: none */
} swage_arg_spec;

/* The same for calls whose memory is not there yet. */
SWAGE_EXPORT swage_status swage_kernel_prepare_for(const swage_kernel* kernel,
                                                   const swage_arg_spec* specs, size_t count);

/* And for launches with options, which may be null: nobody looks at the addresses in them. */
SWAGE_EXPORT swage_status swage_kernel_prepare_for_with(const swage_kernel* kernel,
                                                        const swage_arg_spec* specs, size_t count,
                                                        const swage_launch_options* options);

typedef struct swage_tune_options {
  size_t size;           /* sizeof(swage_tune_options) */
  double budget_seconds; /* to spend on measuring; 0: 0.4 or less on CUDA, 2 on the CPU */
  int32_t force;         /* not 0: measure however noisy the device is */
  int32_t keep_private;  /* not 0: leave no record for other processes */
} swage_tune_options;

static inline swage_tune_options swage_default_tune_options(void) {
  swage_tune_options options = {sizeof(swage_tune_options), 0, 0, 0};
  return options;
}

#define SWAGE_SCHEDULE_SIZE 256

typedef struct swage_tune_result {
  size_t size; /* in: sizeof(swage_tune_result); out: how many bytes are filled in */
  char schedule[SWAGE_SCHEDULE_SIZE];         /* the winner, as swage_options.schedule takes it */
  char default_schedule[SWAGE_SCHEDULE_SIZE]; /* what launches use without tuning */
  double seconds; /* of one launch of the winner: on a GPU the mean without odd samples, on the CPU
                     the median */
  double default_seconds;
  double spread;           /* of its times: between the quartiles over the median */
  int64_t bytes;           /* that one launch reads and writes */
  double bytes_per_second; /* that memory gave in the same run; 0 if not known */
  int32_t candidates;      /* schedules measured */
  int32_t improved;        /* the winner beat the default by more than the noise */
  /* Of a kernel that is computed in steps: the schedules of the step that goes over the rows first,
   * the sum of all times, and whether any step gained. */
} swage_tune_result;

/* Finds the fastest schedule for calls like this one by measurement, on buffers of its own: the
 * tensors are not touched. Launches of this kernel use it from then on, and those of every kernel
 * with the same text that first meets such a call, in this process and, through the tuning records,
 * in others. Takes the budget and the time to compile; synchronises. Not for a thread whose stream
 * is capturing. `options` and `result` may be null. SWAGE_UNSUPPORTED: other work keeps the device
 * too noisy. */
SWAGE_EXPORT swage_status swage_kernel_tune(const swage_kernel* kernel, const swage_arg* args,
                                            size_t count, const swage_tune_options* options,
                                            swage_tune_result* result);

#ifdef __cplusplus
}
#endif

#endif
