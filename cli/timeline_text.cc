// SPDX-License-Identifier: Apache-2.0
#include "cli/timeline_text.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

const char* DomainName(Domain domain) {
  switch (domain) {
    case Domain::kIrq: return "irq";
    case Domain::kNapi: return "napi";
    case Domain::kVhost: return "vhost";
    case Domain::kRoute: return "route";
  }
  return "unknown";
}

const char* LevelName(uint32_t level) {
  static constexpr const char* kNames[] = {"emergency", "alert",  "critical", "error",
                                           "warning",   "notice", "info",     "debug"};
  return level < std::size(kNames) ? kNames[level] : "unknown";
}

// The marks of one second of one queue and writer domain.
struct MarkSecond {
  int64_t first_ns = INT64_MAX;
  uint64_t marks = 0;
  uint64_t pos_from = UINT64_MAX;
  uint64_t pos_to = 0;
  std::map<Count, std::pair<uint64_t, uint64_t>> counts;  // least and greatest value
};

std::string MarkText(Domain domain, const MarkSecond& second) {
  std::string text = fmt::format("{} {} {}, positions {} to {}", Thousands(second.marks),
                                 DomainName(domain), second.marks == 1 ? "mark" : "marks",
                                 Thousands(second.pos_from), Thousands(second.pos_to));
  for (const auto& [count, range] : second.counts) {
    if (range.second == range.first) continue;
    text += fmt::format(", {} +{}", CountName(count), Thousands(range.second - range.first));
  }
  return text;
}

// Collects one stream's moments; those outside of the filter are dropped on the way in.
class Collector {
 public:
  Collector(const StreamView& view, const TimelineFilter& filter, std::vector<Moment>& out)
      : view_(view), filter_(filter), out_(out) {}

  void Add(int64_t mono_ns, std::string queue, const char* what, std::string text) {
    const MomentTime time = view_.TimeOf(mono_ns);
    Moment moment{time.axis.mid_ns(), view_.node(), std::move(queue), what, std::move(text), time};
    if (Wanted(filter_, moment)) out_.push_back(std::move(moment));
  }

  void AddMarks();
  void AddQueues();
  void AddAgent();

 private:
  const StreamView& view_;
  const TimelineFilter& filter_;
  std::vector<Moment>& out_;
};

void Collector::AddMarks() {
  std::map<std::tuple<QueueId, Domain, int64_t>, MarkSecond> seconds;
  for (const Mark& mark : view_.stream().marks) {
    int64_t axis_ns = view_.AxisNs(mark.mono_ns);
    if (axis_ns < filter_.from_ns || axis_ns > filter_.to_ns) continue;
    MarkSecond& second = seconds[{mark.queue, mark.domain, axis_ns / kSecondNs}];
    second.first_ns = std::min(second.first_ns, mark.mono_ns);
    ++second.marks;
    second.pos_from = std::min(second.pos_from, mark.pos);
    second.pos_to = std::max(second.pos_to, mark.pos);
    for (const MarkCount& count : mark.counts) {
      auto [entry, is_new] =
          second.counts.try_emplace(count.count, std::pair(count.value, count.value));
      entry->second.first = std::min(entry->second.first, count.value);
      entry->second.second = std::max(entry->second.second, count.value);
    }
  }
  for (const auto& [key, second] : seconds) {
    auto [queue, domain, number] = key;
    Add(second.first_ns, view_.QueueName(queue), "marks", MarkText(domain, second));
  }
}

std::string FirstSightText(const QueueInfo& info) {
  std::string text = "found";
  if (info.ring_size > 0) text += fmt::format(", ring {}", info.ring_size);
  if (info.packed) text += " packed";
  if (info.irq >= 0) {
    text += fmt::format(", {} {}", info.kind == QueueKind::kGuest ? "irq" : "gsi", info.irq);
  }
  if (!info.irq_name.empty()) text += " (" + info.irq_name + ")";
  if (!info.vm_name.empty()) text += ", VM " + info.vm_name;
  return text;
}

std::string ChangeText(const QueueInfo& before, const QueueInfo& after) {
  std::vector<std::string> changes;
  if (before.generation != after.generation) {
    changes.push_back(fmt::format("generation {} to {} (another object under this name)",
                                  before.generation, after.generation));
  }
  if (before.epoch != after.epoch) {
    changes.push_back(fmt::format("epoch {} to {}", before.epoch, after.epoch));
  }
  if (before.msi != after.msi && after.msi.known) {
    changes.push_back(fmt::format("MSI {:#x} {:#x}", after.msi.address, after.msi.data));
  }
  if (before.irq != after.irq) {
    changes.push_back(fmt::format("irq {} to {}", before.irq, after.irq));
  }
  if (before.ring_address != after.ring_address) {
    changes.push_back(fmt::format("ring at {:#x}", after.ring_address));
  }
  if (before.ring_size != after.ring_size) {
    changes.push_back(fmt::format("ring {} to {}", before.ring_size, after.ring_size));
  }
  if (before.vm_name != after.vm_name) changes.push_back("VM " + after.vm_name);
  return changes.empty() ? "described again" : ListText(changes, changes.size());
}

void Collector::AddQueues() {
  std::map<QueueId, const QueueInfo*> last;
  for (const QueueInfo& info : view_.stream().queues) {
    const QueueInfo*& before = last[info.id];
    std::string text = before == nullptr ? FirstSightText(info) : ChangeText(*before, info);
    Add(info.mono_ns, view_.QueueName(info.id), "queue", std::move(text));
    before = &info;
  }
}

void Collector::AddAgent() {
  const Stream& stream = view_.stream();
  Add(stream.hello.clock.mono_ns, "", "agent",
      fmt::format("started: version {}, kernel {} {}", stream.hello.version, stream.hello.kernel,
                  stream.hello.arch));
  if (stream.bye) {
    Add(stream.bye->clock.mono_ns, "", "agent", "ended: " + stream.bye->reason);
  } else if (!stream.snapshots.empty()) {
    Add(stream.snapshots.back().end.mono_ns, "", "agent", "cut off: the last that was heard of it");
  }
}

// "virtio0-input.1.affinity" is about the queue with that interrupt; most facts are about no queue.
std::string QueueOfFact(const StreamView& view, const Fact& fact) {
  for (const QueueInfo& info : view.stream().queues) {
    if (info.irq_name.empty() || !fact.name.starts_with(info.irq_name + ".")) continue;
    return view.QueueName(info.id);
  }
  return "";
}

void AddStream(const StreamView& view, const TimelineFilter& filter, std::vector<Moment>& out) {
  Collector collector(view, filter, out);
  const Stream& stream = view.stream();
  collector.AddAgent();
  collector.AddQueues();
  collector.AddMarks();
  for (const LogLine& line : stream.log) {
    collector.Add(line.mono_ns, "", "log", std::string(LevelName(line.level)) + ": " + line.text);
  }
  for (const Fact& fact : stream.facts) {
    if (fact.name == "clock.cross") continue;  // one a second: `clocks` tells what they say
    collector.Add(fact.mono_ns, QueueOfFact(view, fact), "fact", fact.name + " = " + fact.value);
  }
  for (const Gap& gap : stream.gaps) {
    collector.Add(
        gap.from_mono_ns, "", "gap",
        fmt::format("{} (for {})", gap.what, DurationText(gap.to_mono_ns - gap.from_mono_ns)));
  }
}

std::string OffsetText(int64_t offset_ns) {
  const char* sign = offset_ns < 0 ? "-" : "+";
  uint64_t us = static_cast<uint64_t>(offset_ns < 0 ? -offset_ns : offset_ns) / 1000;
  return fmt::format("{}{}.{:06} s", sign, us / 1'000'000, us % 1'000'000);
}

int64_t HalfNs(const AxisTime& time) { return (time.hi_ns - time.lo_ns + 1) / 2; }

std::string BoundText(const AxisTime& time) {
  return fmt::format("+-{}", DurationText(HalfNs(time)));
}

}  // namespace

bool Wanted(const TimelineFilter& filter, const Moment& moment) {
  if (moment.axis_ns < filter.from_ns || moment.axis_ns > filter.to_ns) return false;
  if (filter.queues.empty() || moment.queue.empty()) return true;
  return std::find(filter.queues.begin(), filter.queues.end(), moment.queue) != filter.queues.end();
}

void SortMoments(std::vector<Moment>& moments) {
  std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return std::tie(a.axis_ns, a.node, a.queue) < std::tie(b.axis_ns, b.node, b.queue);
  });
}

namespace {

// The latest that a node's moments so far can have been, on the axis and on its root.
struct Latest {
  int64_t axis_ns = INT64_MIN;
  int64_t root_ns = INT64_MIN;
  std::optional<size_t> root;  // of all of them; else only the axis counts
  bool any = false;
};

// `sign` -1: the same backwards, where the earliest is the latest.
void MarkOverlaps(std::vector<Moment>& moments, int sign) {
  std::map<std::string, Latest> nodes;
  const auto ends = [sign](int64_t lo, int64_t hi) {
    return sign > 0 ? std::pair(lo, hi) : std::pair(-hi, -lo);
  };
  for (size_t n = 0; n < moments.size(); ++n) {
    Moment& moment = sign > 0 ? moments[n] : moments[moments.size() - 1 - n];
    const auto axis = ends(moment.time.axis.lo_ns, moment.time.axis.hi_ns);
    std::pair<int64_t, int64_t> root{INT64_MIN, INT64_MAX};
    std::optional<size_t> whose;
    if (moment.time.root) {
      root = ends(moment.time.root->range.lo_ns, moment.time.root->range.hi_ns);
      whose = moment.time.root->root;
    }
    for (const auto& [name, latest] : nodes) {
      if (name == moment.node || axis.first > latest.axis_ns) continue;
      const bool related = whose && latest.root == whose;
      if (!related || root.first <= latest.root_ns) moment.order_unknown = true;
    }
    Latest& own = nodes[moment.node];
    own.axis_ns = std::max(own.axis_ns, axis.second);
    own.root_ns = std::max(own.root_ns, root.second);
    if (own.any && own.root != whose) own.root.reset();
    if (!own.any) own.root = whose;
    own.any = true;
  }
}

}  // namespace

void FindUnknownOrder(std::vector<Moment>& moments) {
  MarkOverlaps(moments, 1);
  MarkOverlaps(moments, -1);
}

std::vector<Moment> ListMoments(const Recording& recording, const Ledger& ledger,
                                const TimelineFilter& filter) {
  std::vector<Moment> moments;
  for (const StreamView& view : ViewStreams(recording, ledger)) AddStream(view, filter, moments);
  for (const RecorderGap& gap : recording.gaps) {
    Moment moment{
        gap.from_real_ns,
        "",
        "",
        "gap",
        fmt::format("{} (for {})", gap.what, DurationText(gap.to_real_ns - gap.from_real_ns)),
        {{gap.from_real_ns, gap.from_real_ns}, std::nullopt}};
    if (Wanted(filter, moment)) moments.push_back(std::move(moment));
  }
  SortMoments(moments);
  return moments;
}

std::string TimelineText(const std::vector<Moment>& moments, int64_t zero_ns, const Page& page) {
  if (moments.empty()) return "nothing was recorded in this window\n";
  Table table{.columns = {{.title = "time", .align = Align::kRight},
                          {.title = "bound", .align = Align::kRight},
                          {.title = "local", .hide_rank = 1},
                          {.title = "where"},
                          {.title = "what"},
                          {.title = "text", .wrap = true}},
              .rows = {}};
  bool unknown = false;
  for (const Moment& moment : moments) {
    std::string where = !moment.queue.empty()  ? moment.queue
                        : !moment.node.empty() ? moment.node
                                               : "recorder";
    Style style = moment.what == "gap" ? Style::kDoubt : Style::kPlain;
    unknown = unknown || moment.order_unknown;
    table.rows.push_back(
        {{(moment.order_unknown ? "~ " : "") + OffsetText(moment.axis_ns - zero_ns),
          moment.order_unknown ? Style::kDoubt : Style::kPlain},
         {BoundText(moment.time.axis)},
         {LocalClock(moment.axis_ns)},
         {where},
         {moment.what, style},
         {moment.text}});
  }
  std::string text = RenderTable(table, page);
  if (unknown) {
    text += Paragraph("~ ",
                      "order unknown: by what is known of the clocks, something of another node "
                      "that is listed here may have come before it or after it",
                      page);
  }
  return text;
}

Json TimelineRows(const std::vector<Moment>& moments, int64_t zero_ns) {
  Json rows = Json::array();
  for (const Moment& moment : moments) {
    rows.push_back({{"t", Rfc3339(moment.axis_ns)},
                    {"offset_ns", moment.axis_ns - zero_ns},
                    {"bound_ns", HalfNs(moment.time.axis)},
                    {"order_unknown", moment.order_unknown},
                    {"node", OrNull(moment.node)},
                    {"queue", OrNull(moment.queue)},
                    {"what", moment.what},
                    {"text", moment.text}});
  }
  return rows;
}

}  // namespace ringside
