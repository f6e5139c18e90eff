// SPDX-License-Identifier: Apache-2.0
#include "correlate/evidence.h"

#include <algorithm>
#include <map>

#include "correlate/witness.h"

namespace ringside {

Side::Side(const LocalQueue* queue, int64_t from_ns, int64_t to_ns) {
  if (queue == nullptr) return;
  const auto range = RangeOf(*queue->node, from_ns, to_ns);
  if (!range) return;
  queue_ = queue;
  range_ = *range;
  // Of a queue that is gone, as long as it was there.
  const auto end = queue->node->series.EndOf(queue->info.id, range_.last);
  if (end && *end >= range_.first) {
    range_.last = *end;
    ended_ = true;
  }
  for (int i = 0; i < kCounts; ++i) {
    hooks_[i] = ChooseHook(*queue, static_cast<Count>(i), range_);
  }
}

int64_t Side::UntilNs(const SnapshotRange& run) const {
  return run.last == range_.last && !ended_ ? 0 : End(run.last).mid_ns();
}

bool Side::witness() const { return queue_ != nullptr && IsWitness(stream().hello); }

bool Side::Observes(Count count) const {
  return queue_ != nullptr && hooks_[static_cast<size_t>(count)].has_value();
}

std::optional<Interval> Side::Growth(Count count, const SnapshotRange& part) const {
  if (!Observes(count)) return std::nullopt;
  return GrowthByTime(*queue_, count, hooks_[static_cast<size_t>(count)]->id, part);
}

std::optional<uint64_t> Side::At(Gauge gauge, size_t snapshot) const {
  return queue_->node->series.GaugeAt(queue_->info.id, gauge, snapshot);
}

std::string Side::HookOf(Count count) const {
  if (!Observes(count)) return {};
  const HookInfo* info = hooks_[static_cast<size_t>(count)]->info;
  std::string text(CountName(count));
  if (info != nullptr) text += std::string(" (") + RungName(info->rung) + ")";
  return text;
}

AxisTime Side::Begin(size_t snapshot) const {
  return node().axis.At(stream().snapshots[snapshot].begin.mono_ns);
}

AxisTime Side::End(size_t snapshot) const {
  return node().axis.At(stream().snapshots[snapshot].end.mono_ns);
}

std::optional<SnapshotRange> Side::Within(int64_t from_ns, int64_t to_ns) const {
  std::optional<SnapshotRange> found;
  for (size_t i = range_.first; i <= range_.last; ++i) {
    if (Begin(i).lo_ns < from_ns || End(i).hi_ns > to_ns) continue;
    if (!found) found = SnapshotRange{i, i};
    found->last = i;
  }
  return found;
}

std::vector<std::pair<std::string, int64_t>> Side::Parts(Count count,
                                                         const SnapshotRange& part) const {
  std::map<std::string, std::pair<uint64_t, uint64_t>> ends;  // label -> at first, at last
  const std::vector<Snapshot>& snapshots = stream().snapshots;
  for (size_t i = 0; i <= part.last; ++i) {
    for (const Part& one : snapshots[i].parts) {
      if (one.queue != queue_->info.id || one.count != count) continue;
      auto& [first, last] = ends[one.label];
      if (i <= part.first) first = one.value;
      last = one.value;
    }
  }
  std::vector<std::pair<std::string, int64_t>> parts;
  for (const auto& [label, values] : ends) {
    if (values.second <= values.first) continue;
    parts.emplace_back(label, static_cast<int64_t>(values.second - values.first));
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return parts;
}

namespace {

std::vector<SnapshotRange> Blocks(const Side& side, Count base) {
  std::vector<SnapshotRange> blocks;
  size_t from = side.range().first;
  for (size_t to = from + 1; to <= side.range().last; ++to) {
    const auto growth = side.Growth(base, {from, to});
    if (!growth || growth->lo < kMaterialEvents) continue;
    blocks.push_back({from, to});
    from = to;
  }
  if (!blocks.empty()) blocks.back().last = side.range().last;
  return blocks;
}

}  // namespace

std::optional<SnapshotRange> LongestRun(const Side& side, Count base,
                                        const std::function<bool(const SnapshotRange&)>& is_so) {
  std::optional<SnapshotRange> best;
  std::optional<SnapshotRange> run;
  for (const SnapshotRange& block : Blocks(side, base)) {
    if (!is_so(block)) {
      run.reset();
      continue;
    }
    if (!run) run = block;
    run->last = block.last;
    if (!best || run->last - run->first > best->last - best->first) best = run;
  }
  return best;
}

std::optional<SnapshotRange> LongestStretch(const SnapshotRange& range, size_t steps,
                                            const std::function<bool(size_t)>& holds) {
  std::optional<SnapshotRange> best;
  size_t from = range.first;
  for (size_t i = range.first; i < range.last; ++i) {
    if (!holds(i)) {
      from = i + 1;
    } else if (i + 1 - from >= steps && (!best || i + 1 - from > best->last - best->first)) {
      best = SnapshotRange{from, i + 1};
    }
  }
  return best;
}

std::string QueueEvidence::GuestNode() const {
  if (guest) return guest.node().name;
  if (host && !host.queue().info.vm_name.empty()) return host.queue().info.vm_name;
  return "the guest";
}

NextStep QueueEvidence::DownAndUp() const {
  const std::string device = guest ? guest.queue().info.device : "DEVICE";
  return {GuestNode(), "ip link set " + device + " down && ip link set " + device + " up",
          "polls every queue once and arms it again; cuts connections for about a second"};
}

bool QueueEvidence::tx() const {
  const LocalQueue& queue = guest ? guest.queue() : host.queue();
  return queue.info.queue.starts_with("tx");
}

std::string QueueEvidence::Name() const {
  return ledger->queue.empty() ? ledger->host_queue : ledger->queue;
}

std::optional<Interval> QueueEvidence::Cell(Count count) const {
  const CountCell* cell = ledger->Find(count);
  if (cell == nullptr) return std::nullopt;
  Interval interval{static_cast<int64_t>(cell->lo), std::nullopt};
  if (cell->hi) interval.hi = static_cast<int64_t>(*cell->hi);
  return interval;
}

const Identity* QueueEvidence::FindIdentity(std::string_view id) const {
  const auto found = std::find_if(ledger->identities.begin(), ledger->identities.end(),
                                  [id](const Identity& identity) { return identity.id == id; });
  return found == ledger->identities.end() ? nullptr : &*found;
}

Statement QueueEvidence::Say(std::string text, std::initializer_list<Count> counts) const {
  Statement statement{.text = std::move(text), .hooks = {}};
  for (const Count count : counts) {
    const std::string hook = host.Observes(count) ? host.HookOf(count) : guest.HookOf(count);
    if (!hook.empty()) statement.hooks.push_back(hook);
  }
  return statement;
}

Finding QueueEvidence::Found(Cause cause, Certainty certainty, const Side& side,
                             const SnapshotRange& run) const {
  Finding finding = Found(cause, certainty, side.Begin(run.first).mid_ns());
  finding.until_ns = side.UntilNs(run);
  return finding;
}

Finding QueueEvidence::Found(Cause cause, Certainty certainty, int64_t since_ns) const {
  Finding finding{.cause = cause, .queue = Name(), .host_queue = ledger->host_queue};
  finding.certainty = certainty;
  finding.since_ns = since_ns;
  return finding;
}

}  // namespace ringside
