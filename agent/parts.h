// SPDX-License-Identifier: Apache-2.0
// Rows of counts by process, and what people call the processes.
#ifndef RINGSIDE_AGENT_PARTS_H_
#define RINGSIDE_AGENT_PARTS_H_

#include <cstdint>
#include <map>
#include <string>

#include "bpf/events.h"

namespace ringside {

// One reading of a row that the kernel may be writing.
rs_part CopyPart(const volatile rs_part& row);

// Agent thread only; holds a name for each pid that has a row, so at most RS_MAX_PARTS.
class ProcessNames {
 public:
  // "process=COMM (PID)". The process's own name while it lives (its threads may have others), else
  // the one of the thread that the kernel saw; kept from the first call on.
  const std::string& Label(const rs_part& part) const;

  // Of a row whose `who` is a thread: "thread=COMM (TID)".
  static std::string ThreadLabel(const rs_part& part);

 private:
  mutable std::map<uint32_t, std::string> labels_;  // by process id
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_PARTS_H_
