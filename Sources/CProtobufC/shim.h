// protobuf-c: the runtime under the generated messages.
#pragma once
#include <protobuf-c/protobuf-c.h>
