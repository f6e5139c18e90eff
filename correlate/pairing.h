// SPDX-License-Identifier: Apache-2.0
// Which guest queue is which host queue, found without configuration (design D5; kernel facts 6).
//
// First the VM: the SMBIOS UUID the guest sees is the one given to its VMM. Then the queue, by
// independent keys: the used ring's guest-physical address (what vhost was told = what the driver
// programmed), the MSI message (what KVM's route sends = what the guest's table says), and the
// moving index. Two keys bind; one is provisional.
#ifndef RINGSIDE_CORRELATE_PAIRING_H_
#define RINGSIDE_CORRELATE_PAIRING_H_

#include <string>
#include <vector>

#include "correlate/axis.h"
#include "correlate/ledger.h"
#include "correlate/series.h"
#include "correlate/turn.h"

namespace ringside {

// One node's stream with everything derived from it once. Refers to the recording.
struct NodeStream {
  std::string name;  // unique shown name
  const Stream* stream = nullptr;
  StreamSeries series;
  StreamAxis axis;
};

// A queue of one stream: its newest description and all messages it ever had.
struct LocalQueue {
  const NodeStream* node = nullptr;
  QueueInfo info;
  std::vector<MsiMessage> messages;  // known ones, each once
  std::string Name() const { return node->name + "/" + info.device + "/" + info.queue; }
};

struct QueuePair {
  const LocalQueue* host = nullptr;   // null: guest only
  const LocalQueue* guest = nullptr;  // null: host only
  Binding binding;
  Turn turn;
};

std::vector<LocalQueue> ListQueues(const NodeStream& node);

// Positions a side read, by time: gauges at snapshots, and marks.
std::vector<PositionReading> Positions(const LocalQueue& queue);

// Every queue appears in exactly one pair, alone if it has no partner.
std::vector<QueuePair> PairQueues(const std::vector<LocalQueue>& queues);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_PAIRING_H_
