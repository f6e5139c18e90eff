// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.h"

#include <iterator>

namespace ringside {
namespace {

volatile std::sig_atomic_t stop_signal = 0;
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

void OnSignal(int number) { stop_signal = number; }

}  // namespace

SignalScope::SignalScope() {
  stop_signal = 0;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESETHAND;
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
}

SignalScope::~SignalScope() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

int SignalScope::received() const { return stop_signal; }

}  // namespace ringside
