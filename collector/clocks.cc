// SPDX-License-Identifier: Apache-2.0
#include "collector/clocks.h"

#include <cstdint>
#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ringside {
namespace {

int64_t ReadNs(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

uint64_t ReadCounter() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t value = 0;
  asm volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  return 0;
#endif
}

}  // namespace

ClockReading ReadCollectorClocks() {
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
