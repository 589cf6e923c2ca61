// libevent: the loop, timers, signals, listeners.
#pragma once
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <event2/util.h>
