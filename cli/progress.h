// SPDX-License-Identifier: Apache-2.0
// What `ringside record` says on standard error while it runs: one line that is rewritten on a
// terminal, a new one every few seconds elsewhere. Main thread only.
#ifndef RINGSIDE_CLI_PROGRESS_H_
#define RINGSIDE_CLI_PROGRESS_H_

#include <cstdint>
#include <string>

#include "agent/agent.h"

namespace ringside {

// "recording 3.2 of 10 s, 12 queues, 1,234 interrupts"; `duration_ns` 0: no end is known.
std::string ProgressText(int64_t elapsed_ns, int64_t duration_ns, const AgentTotals& totals);

class Progress {
 public:
  Progress(int64_t duration_ns, bool quiet, bool terminal)
      : duration_ns_(duration_ns), quiet_(quiet), terminal_(terminal) {}

  // Scripts wait for this line: said even when quiet.
  void Ready(const std::string& path);
  void Update(int64_t elapsed_ns, const AgentTotals& totals);
  void Finish(int64_t elapsed_ns, const AgentTotals& totals);
  // Takes the rewritten line away, so that an error stands alone.
  void Clear();
  void End(const std::string& path, uint64_t bytes, const AgentTotals& totals);

 private:
  void Show(const std::string& text);

  const int64_t duration_ns_;
  const bool quiet_;
  const bool terminal_;
  int64_t next_ns_ = 0;  // elapsed time of the next line
};

}  // namespace ringside

#endif  // RINGSIDE_CLI_PROGRESS_H_
