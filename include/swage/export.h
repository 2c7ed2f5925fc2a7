/* export.h -- marks what libswage.so exports. */
#ifndef SWAGE_EXPORT_H
#define SWAGE_EXPORT_H

#if defined(__GNUC__)
#define SWAGE_EXPORT __attribute__((visibility("default")))
#else
#define SWAGE_EXPORT
#endif

#endif
