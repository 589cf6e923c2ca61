// zlib: the gzip and deflate codings of messages.
#pragma once
#include <zlib.h>
