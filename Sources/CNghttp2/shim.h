// nghttp2: HTTP/2 framing, HPACK, streams and flow control.
#pragma once
#include <nghttp2/nghttp2.h>
