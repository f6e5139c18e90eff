// SPDX-License-Identifier: Apache-2.0
#include "proto/clocks.h"

#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ringside {
namespace {

int64_t ReadNs(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

uint64_t ReadCounter() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t value;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  return 0;
#endif
}

}  // namespace

int64_t MonotonicNs() { return ReadNs(CLOCK_MONOTONIC); }

ClockReading ReadClocks() {
  ClockReading best;
  best.width_ns = INT64_MAX;
  for (int attempt = 0; attempt < 3; ++attempt) {
    ClockReading now;
    now.mono_ns = ReadNs(CLOCK_MONOTONIC);
    now.real_ns = ReadNs(CLOCK_REALTIME);
    now.counter = ReadCounter();
    now.raw_ns = ReadNs(CLOCK_MONOTONIC_RAW);
    now.width_ns = ReadNs(CLOCK_MONOTONIC) - now.mono_ns;
    if (now.width_ns < best.width_ns) best = now;
  }
  return best;
}

}  // namespace ringside
