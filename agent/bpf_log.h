// SPDX-License-Identifier: Apache-2.0
// Collects what libbpf prints while an object is opened or loaded and finds in it which program the
// kernel refused and why. One at a time, on the thread that loads.
#ifndef RINGSIDE_AGENT_BPF_LOG_H_
#define RINGSIDE_AGENT_BPF_LOG_H_

#include <string>
#include <string_view>

namespace ringside {

class BpfLog {
 public:
  BpfLog();   // takes over libbpf's output, process-wide
  ~BpfLog();  // gives it back (silent)
  BpfLog(const BpfLog&) = delete;
  BpfLog& operator=(const BpfLog&) = delete;

  // Name in the last "prog 'NAME': failed" line; empty if there is none.
  std::string FailedProgram() const;
  // One line: the most telling message, and the error's own text.
  std::string Reason(int error) const;

 private:
  std::string text_;
};

// The parts that need no libbpf, for tests.
std::string FailedProgramIn(std::string_view log);
std::string ReasonIn(std::string_view log, int error);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_BPF_LOG_H_
