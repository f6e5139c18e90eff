// SPDX-License-Identifier: Apache-2.0
// All queues of all nodes: what they are, whom they are bound to, their last known state. Called by
// `ringside queues`. Pure.
#ifndef RINGSIDE_CLI_QUEUES_TEXT_H_
#define RINGSIDE_CLI_QUEUES_TEXT_H_

#include <map>
#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/table.h"
#include "correlate/ledger.h"
#include "correlate/recording.h"

namespace ringside {

// One queue of one stream: its last description and the last value of each gauge.
struct QueueRow {
  std::string name;  // vm1/eth0/rx1
  QueueInfo info;
  std::string partner;       // the other side's name; empty where none is known
  bool provisional = false;  // the partner rests on one key
  std::map<Gauge, uint64_t> gauges;
};

// Sorted by name. With `queue` only this one and its partner (names as in the ledger).
std::vector<QueueRow> ListQueues(const Recording& recording, const Ledger& ledger);

std::string QueuesText(const std::vector<QueueRow>& rows, const Page& page);
Json QueuesRows(const std::vector<QueueRow>& rows);

const char* QueueKindName(QueueKind kind);  // "guest", "host", "route"

}  // namespace ringside

#endif  // RINGSIDE_CLI_QUEUES_TEXT_H_
