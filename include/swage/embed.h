/* embed.h -- how kernels that were built ahead enter a program. What `swage build` writes does this
   by itself; only who loads an image by other means calls it. */
#ifndef SWAGE_EMBED_H
#define SWAGE_EMBED_H

#include <stddef.h>

#include "swage/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An image of kernels in memory. The bytes and this struct stay as they are until the image is
   unregistered; `next` is the library's. */
typedef struct swage_kernel_image {
  const void* bytes;
  size_t size;
  struct swage_kernel_image* next;
} swage_kernel_image;

/* Makes the kernels of an image known to every kernel handle made of the same text, from its next
   new kind of call on. Allocates nothing and reads none of the bytes: they are checked when a
   kernel is first looked for, and an image that is damaged, or of another calling convention, is
   named in the log and left out. What is in an image is run: register what you trust. Thread safe.
 */
SWAGE_EXPORT void swage_register_kernels(swage_kernel_image* image);
/* Forgets an image. Functions that were loaded from it stay. */
SWAGE_EXPORT void swage_unregister_kernels(swage_kernel_image* image);

/* The number of the calling convention that this library launches; see docs/shipping.md. */
SWAGE_EXPORT unsigned swage_calling_convention(void);

#ifdef __cplusplus
}
#endif

#endif
