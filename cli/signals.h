// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and its like as a request to come to an end. Main thread only, one scope at a time.
#ifndef RINGSIDE_CLI_SIGNALS_H_
#define RINGSIDE_CLI_SIGNALS_H_

#include <csignal>

namespace ringside {

// Notes the first SIGINT, SIGTERM or SIGHUP; a second one ends the process, should the end hang.
class SignalScope {
 public:
  SignalScope();
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;
  // The signal that came, 0 if none did.
  int received() const;

 private:
  struct sigaction before_[3]{};
};

}  // namespace ringside

#endif  // RINGSIDE_CLI_SIGNALS_H_
