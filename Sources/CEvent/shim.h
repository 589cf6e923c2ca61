// libevent: the loop, timers, signals, listeners, an HTTP/1.1 server. And timers that are descriptors, which Swift's Glibc lacks.
#pragma once
// First, as event-config.h defines _GNU_SOURCE, which would make types that differ from those of Swift's Glibc module.
#include <sys/select.h>
#include <sys/time.h>
#include <sys/types.h>
#include <event2/event.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <event2/util.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif
