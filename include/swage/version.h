/* version.h -- which Swage a program is compiled against, and which it runs with. */
#ifndef SWAGE_VERSION_H
#define SWAGE_VERSION_H

#include "swage/export.h"

#define SWAGE_VERSION_MAJOR 0
#define SWAGE_VERSION_MINOR 1
#define SWAGE_VERSION_PATCH 0
/* 0.1.0 is 100, 1.2.3 is 10203: for #if. */
#define SWAGE_VERSION_NUMBER                                                                       \
  (SWAGE_VERSION_MAJOR * 10000 + SWAGE_VERSION_MINOR * 100 + SWAGE_VERSION_PATCH)

/* Of the C ABI, and of the C++ API as one compiler lays it out. Programs compiled against one
   number run with every library of that number; the shared libraries' SONAME changes with it. */
#define SWAGE_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

/* SWAGE_ABI_VERSION of the library. */
SWAGE_EXPORT unsigned swage_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif
