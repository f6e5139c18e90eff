// SPDX-License-Identifier: Apache-2.0
// Why a flight recorder is emptied: said by a collector to agents, or found by an agent itself; and
// the fact that an agent stores of it. Pure, any thread.
#ifndef RINGSIDE_PROTO_TRIGGER_H_
#define RINGSIDE_PROTO_TRIGGER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringside {

// A recorder keeps half a minute: no more can be asked for, before or after.
inline constexpr int64_t kTriggerSpanMax_ns = 30'000'000'000;
inline constexpr int64_t kTriggerBefore_ns = 2'000'000'000;
inline constexpr int64_t kTriggerAfter_ns = 1'000'000'000;
inline constexpr size_t kTriggerQueuesMax = 64;

struct Trigger {
  std::string source;               // "command", "finding", "threshold", "log"
  std::vector<std::string> queues;  // names of either side, as in wishes; empty: every recorder
  std::string reason;
  int64_t before_ns = kTriggerBefore_ns;
  int64_t after_ns = kTriggerAfter_ns;
  friend bool operator==(const Trigger&, const Trigger&) = default;
};

// Within the limits: spans, texts, number of queues.
void BoundTrigger(Trigger& trigger);

// Name of the fact, whose value reads "SOURCE QUEUE -BEFORE +AFTER: REASON", with "-" for no queue
// and spans in seconds. The fact's time is the trigger's.
inline constexpr std::string_view kTriggerFact = "recorder.trigger";
std::string TriggerText(const Trigger& trigger);
// Nothing if it is no such text.
std::optional<Trigger> ParseTriggerText(std::string_view text);

// What a line of the kernel's log is a reason for; `queue_of_irq` gives the name of the queue that
// has this interrupt, or nothing. Nothing for a line that is none.
template <typename QueueOfIrq>
std::optional<Trigger> TriggerOfLogLine(const std::string& line, QueueOfIrq queue_of_irq);

// Of such a line: the interrupt it is about, or the transmit queue (device and number).
struct LogSubject {
  int irq = -1;
  std::string queue;  // "eth0/tx1"
};
std::optional<LogSubject> SubjectOfLogLine(std::string_view line);

template <typename QueueOfIrq>
std::optional<Trigger> TriggerOfLogLine(const std::string& line, QueueOfIrq queue_of_irq) {
  const std::optional<LogSubject> subject = SubjectOfLogLine(line);
  if (!subject) return std::nullopt;
  Trigger trigger{.source = "log", .queues = {}, .reason = line};
  std::string queue = subject->irq >= 0 ? queue_of_irq(subject->irq) : subject->queue;
  if (!queue.empty()) trigger.queues.push_back(std::move(queue));
  return trigger;
}

}  // namespace ringside

#endif  // RINGSIDE_PROTO_TRIGGER_H_
