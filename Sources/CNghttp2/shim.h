// nghttp2: HTTP/2 framing, HPACK, streams and flow control.
#pragma once
#include <nghttp2/nghttp2.h>
#include <stddef.h>
#if defined(__APPLE__)
#include <malloc/malloc.h>
#else
#include <malloc.h>
#endif

/// How many bytes a block of malloc's holds, which may be more than it was asked for.
static inline size_t nghttp2_shim_usable_size(void *block) {
#if defined(__APPLE__)
  return malloc_size(block);
#else
  return malloc_usable_size(block);
#endif
}
