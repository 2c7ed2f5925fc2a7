/* operators.h -- makes PyTorch operators of Swage's kernels; what swage.torch calls through ctypes.
 */
#ifndef SWAGE_TORCH_OPERATORS_H
#define SWAGE_TORCH_OPERATORS_H

#include <stddef.h>
#include <stdint.h>

#include "swage/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A parameter of the kernel, in its order, `const` ones left out. */
typedef struct swage_torch_parameter {
  const char* name;
  int32_t role;        /* a swage_role */
  int32_t space;       /* a swage_space */
  int32_t group;       /* SWAGE_GROUP: columns of a group, SWAGE_COLUMN_GROUP: rows, or */
  int32_t group_place; /* the operator's argument that says so; -1: none */
  int32_t code; /* DLPack's code of the type; -1: that of the generic `bits` of the operator */
  int32_t bits;
  /* SWAGE_IN, SWAGE_INOUT and SWAGE_SCALAR: the operator's argument. SWAGE_OUT: its result, or in
   * an operator that is given them the argument. */
  int32_t place;
  /* 0: the whole tensor; 1 or 2: its first or second half along the columns. */
  int32_t half;
} swage_torch_parameter;

/* A `const` parameter, bound by an argument of the operator. */
typedef struct swage_torch_constant {
  const char* name;
  int32_t kind;  /* 0: float, 1: int, 2: bool, 3: a float or none, which leaves the default,
                  * 4: the type of the generic `name`, which no input has */
  int32_t place; /* the operator's argument */
} swage_torch_constant;

typedef struct swage_torch_operator {
  const char* source; /* the text */
  const char* kernel; /* its name there */
  int32_t math;       /* a swage_math, -1: the text's own */
  int32_t is_out;     /* whether outputs are arguments; then it has no results */
  int32_t
      is_cleared; /* whether results are 0 before: a kernel that skips rows does not write them */
  const swage_torch_parameter* parameters;
  size_t parameter_count;
  /* The argument that counts the rows, `valid_rows` of a launch; -1: none. Results are 0 before. */
  int32_t counts_place;
  const swage_torch_constant* constants;
  size_t constant_count;
  const char* const* generics;
  size_t generic_count;
} swage_torch_operator;

/* Defines `schema` in PyTorch's namespace `space` and runs `described` for it on the CPU and on
 * CUDA. An operator lives as long as the process; `number` is what it is called here. 0, or 1 with
 * swage_torch_last_error(). */
SWAGE_EXPORT int32_t swage_torch_define(const char* space, const char* name, const char* schema,
                                        const swage_torch_operator* described, int32_t* number);

struct _object; /* PyObject */

/* What calls past the dispatcher need of Python. References are kept for ever. */
typedef struct swage_torch_python {
  struct _object *tensor, *parameter; /* types that are taken, and no classes of them */
  struct _object* exchange;           /* torch.Tensor.__dlpack_c_exchange_api__ */
  struct _object *not_implemented, *none, *yes, *no;
  struct _object *real, *integer;      /* the types float and int */
  struct _object *is_neg, *one_is_neg; /* torch.Tensor.is_neg, and that of some tensor */
  struct _object* is_grad_enabled;     /* torch.is_grad_enabled */
  /* A tuple of what has to hold: (function of nothing, what it gives) or (dict, key, what is there)
   */
  struct _object* guards;
  struct _object* types; /* a tuple of (torch.dtype, DLPack's code, bits) */
} swage_torch_python;

/* What is told about one operator. */
typedef struct swage_torch_direct_operator {
  struct _object *names,
      *defaults; /* of its named arguments; NotImplemented where there is no default */
  /* apply((results, named or None), *inputs), which makes results differentiable, or None. */
  struct _object* apply;
} swage_torch_direct_operator;

/* With the interpreter's lock, once before swage_torch_direct. 0, or 1 with
 * swage_torch_last_error(): this PyTorch has not what is needed. */
SWAGE_EXPORT int32_t swage_torch_prepare_direct(const swage_torch_python* told);

/* With the interpreter's lock: a new reference to a function that takes the arguments of the
 * operator `number` and gives its results, or NotImplemented for a call that is the dispatcher's.
 * Null where there is none for this operator. */
SWAGE_EXPORT struct _object* swage_torch_direct(int32_t number,
                                                const swage_torch_direct_operator* told);

/* Why the last call of this thread failed. */
SWAGE_EXPORT const char* swage_torch_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
