// SPDX-License-Identifier: Apache-2.0
#ifndef RINGSIDE_TESTS_COLLECTOR_EVENTUALLY_H_
#define RINGSIDE_TESTS_COLLECTOR_EVENTUALLY_H_

#include <chrono>
#include <functional>
#include <thread>

namespace ringside {

// Waits for what other threads bring about; far longer than they need.
inline bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace ringside

#endif  // RINGSIDE_TESTS_COLLECTOR_EVENTUALLY_H_
