// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/clock_run.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "correlate/clock_queue.h"

namespace ringside::sim {
namespace {

constexpr int64_t kUs = 1000;
constexpr int64_t kMs = 1'000'000;
constexpr int64_t kS = 1'000'000'000;

// -- clocks --

// NTP at work: the frequency is put right every second, and every few seconds an offset is slewed
// away, at times as fast as the kernel can. All in the node's own time: a kernel that stands still
// counts no seconds.
void Slew(const ClockSpec& spec, Random* random, ClockNode* node) {
  const long double start = node->raw.At(0);
  const double base = random->Real(-200e-6, 200e-6);
  node->mono.Corner(start, start - static_cast<long double>(random->Between(0, 9 * kS)), 1 + base);
  if (!spec.slews) return;
  int64_t t = random->Between(kS / 2, 3 * kS);
  while (t < spec.span_ns) {
    const bool hard = random->Chance(0.3);
    const double extra = hard ? random->Real(-0.1, 0.1) : random->Real(-500e-6, 500e-6);
    const int64_t length = random->Between(11 * kS / 10, 3 * kS);
    node->mono.Bend(start + t, 1 + base + extra);
    node->mono.Bend(start + t + length, 1 + base + random->Real(-1e-6, 1e-6));
    t += length + random->Between(11 * kS / 10, 8 * kS);
  }
}

void Oscillate(const ClockSpec& spec, Random* random, ClockNode* node) {
  double drift = random->Real(-90e-6, 90e-6);
  node->raw.Corner(0, random->Between(10 * kS, 100'000 * kS), 1 + drift);
  const double ticks = random->Real(1.0, 4.2);
  node->counter.Corner(0, random->Between(1, 1'000'000'000'000), ticks * (1 + drift));
  node->wall.Corner(0, 1'790'000'000 * static_cast<long double>(kS) + random->Between(0, kS), 0);
  if (!spec.machines) return;
  // Each of the two wanders by less than half of what the model is told of both.
  for (int64_t t = 50 * kMs; t < spec.span_ns; t += 50 * kMs) {
    drift += random->Real(-9e-9, 9e-9) * 0.05;
    node->raw.Bend(t, 1 + drift);
    node->counter.Bend(t, ticks * (1 + drift));
  }
}

// Stands still between two times; what does not, is given another rate than 0.
void Stop(CornerLine* line, const ClockNode& node, long double meanwhile) {
  const long double rate = line->At(1000) - line->At(0);
  line->Bend(node.stop_ns, meanwhile);
  line->Bend(node.go_ns, rate / 1000);
}

void Fault(ClockRun* run, Random* random) {
  const ClockSpec& spec = run->spec;
  ClockNode& guest = run->local;
  if (spec.fault == ClockFault::kNone || spec.fault == ClockFault::kMisbound) return;
  const int64_t at = random->Between(spec.span_ns / 5, spec.span_ns * 4 / 5);
  const bool host = spec.fault == ClockFault::kSuspended && random->Chance(0.4);
  // From microseconds to seconds, every order of size alike.
  const int64_t size = static_cast<int64_t>(std::exp(random->Real(std::log(1e4), std::log(4e9))));
  ClockNode& node = host ? run->reference : guest;
  node.stop_ns = at;
  node.go_ns = at + (spec.fault == ClockFault::kSuspended ? size + 700 * kMs : size);
  if (host) std::tie(guest.stop_ns, guest.go_ns) = std::tie(node.stop_ns, node.go_ns);
  const long double ticks = (node.counter.At(1000) - node.counter.At(0)) / 1000;
  if (spec.fault == ClockFault::kSuspended) {
    Stop(&node.raw, node, 0);
    node.wall.Bend(node.go_ns, 0, static_cast<long double>(node.go_ns - node.stop_ns));
    if (random->Chance(0.3)) node.counter.Bend(node.go_ns, ticks, -node.counter.At(at));
  } else if (spec.fault == ClockFault::kMigrated) {
    Stop(&node.raw, node, 0);
  } else if (random->Chance(0.3)) {
    // All jump forward, and nobody had to wait.
    node.go_ns = at;
    const long double jump = static_cast<long double>(size);
    const long double rate = (node.raw.At(1000) - node.raw.At(0)) / 1000;
    node.raw.Bend(at, rate, jump);
    node.counter.Bend(at, ticks, jump * ticks / rate);
  } else {
    Stop(&node.raw, node, 0);
    Stop(&node.counter, node, 0);
  }
}

std::vector<ClockReading> Readings(const ClockSpec& spec, const ClockNode& node, Random* random) {
  std::vector<ClockReading> readings;
  for (int64_t t = 0; t <= spec.span_ns; t += 100 * kMs) {
    const int64_t begin = std::min(t + random->Between(0, 3 * kMs), spec.span_ns);
    const int64_t end = begin + random->Between(300 * kUs, 4 * kMs);
    const bool edge = t == 0 || t + 100 * kMs > spec.span_ns;
    if (!edge && random->Chance(spec.loss)) continue;
    if (node.Runs(begin)) readings.push_back(node.Read(t == 0 ? 0 : begin, random));
    if (node.Runs(end)) readings.push_back(node.Read(end, random));
  }
  // What was seen since the last snapshot comes with another one.
  const int64_t last = spec.span_ns + 5 * kMs;
  if (node.Runs(last)) readings.push_back(node.Read(last, random));
  return readings;
}

// -- evidence, in true time --

struct TrueTimes {
  PublishedTimes host;
  ObservedTimes guest;
};

struct Batch {
  int64_t entry, published, exit;
  int64_t pos;  // after it
};

std::vector<Batch> Publish(const ClockSpec& spec, Random* random) {
  std::vector<Batch> batches;
  const int64_t gap = random->Between(20 * kUs, kMs);
  const int64_t most = random->Between(1, 48);
  int64_t t = random->Between(0, kMs);
  int64_t pos = random->Between(0, 1000);
  while (t < spec.span_ns) {
    // A burst, then silence.
    const int64_t until = t + random->Between(kMs, 200 * kMs);
    for (; t < std::min(until, spec.span_ns); t += 300 + random->Exp(gap)) {
      pos += random->Between(1, most);
      Batch batch{t, t + random->Between(200, 3000), 0, pos};
      batch.exit = batch.published + random->About(700);
      t = batch.exit;
      batches.push_back(batch);
    }
    t += random->Exp(random->Chance(0.02) ? kS : 60 * kMs);
  }
  return batches;
}

// When the guest reads the index: from interrupts, most of them late by little, and from polls.
std::vector<int64_t> ReadTimes(const ClockSpec& spec, const std::vector<Batch>& batches,
                               Random* random) {
  std::vector<int64_t> times;
  const int64_t usual = random->Between(3 * kUs, 40 * kUs);
  bool polling = false;
  int64_t switch_at = 0;
  for (const Batch& batch : batches) {
    if (batch.published > switch_at) {
      polling = random->Chance(spec.poll_share);
      switch_at = batch.published + random->Between(10 * kMs, 500 * kMs);
    }
    if (polling) {
      times.push_back(batch.published - random->Between(0, 2 * kUs));
      times.push_back(batch.published + random->Between(0, 2 * kUs));
    } else if (!random->Chance(0.3)) {  // else suppressed
      const int64_t away = random->Chance(0.02) ? random->Between(kMs, 20 * kMs) : 0;
      times.push_back(batch.published + random->About(usual) + away);
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

class QueueWatch {
 public:
  QueueWatch(const ClockRun& run, Random* random) : run_(run), random_(random) {}

  PublishedTimes Host(const std::vector<Batch>& batches) {
    PublishedTimes host;
    int64_t before = 0;
    for (const Batch& batch : batches) {
      const int64_t prev = std::exchange(before, batch.pos);
      if (Lost() || !run_.reference.Runs(batch.entry) || !run_.reference.Runs(batch.exit)) {
        continue;
      }
      if (run_.spec.marks_only) {
        // The mutex is held while the program reads the clock.
        if ((prev >> 8) == (batch.pos >> 8)) continue;
        host.todo.push_back({batch.exit, batch.pos});
      } else {
        host.todo.push_back({batch.entry, prev});
      }
      host.done.push_back({batch.exit, batch.pos});
    }
    return host;
  }

  ObservedTimes Guest(const std::vector<Batch>& batches, const std::vector<int64_t>& times) {
    ObservedTimes guest;
    size_t next = 0;
    int64_t pos = 0, before = 0;
    int64_t looked = 0;
    for (const int64_t t : times) {
      while (next < batches.size() && batches[next].published <= t) pos = batches[next++].pos;
      const int64_t first = t - Between();
      const int64_t last = t + Between();
      const int64_t prev = std::exchange(before, pos);
      if (!run_.local.Runs(first) || !run_.local.Runs(last) || !run_.local.Runs(t)) continue;
      if (pos == 0 || Lost()) continue;
      if (!run_.spec.marks_only) {
        guest.unseen.push_back({first, pos});
        guest.seen.push_back({last, pos});
        continue;
      }
      if ((prev >> 8) != (pos >> 8)) guest.seen.push_back({last, pos});
      // A snapshot looks at the index, long after it began.
      if (t - looked < 100 * kMs) continue;
      looked = t;
      const int64_t began = t - random_->Between(50 * kUs, kMs);
      if (run_.local.Runs(began)) guest.unseen.push_back({began, pos});
    }
    return guest;
  }

 private:
  bool Lost() { return random_->Chance(run_.spec.loss); }
  // Between a look at the clock and one at the index the vCPU may be away.
  int64_t Between() {
    return random_->Between(30, 120) + (random_->Chance(0.005) ? random_->Exp(kMs) : 0);
  }
  const ClockRun& run_;
  Random* random_;
};

void WatchQueue(ClockRun* run, uint32_t source, std::vector<ClockEvidence>* evidence) {
  Random random(run->spec.seed, "queue" + std::to_string(source));
  const std::vector<Batch> batches = Publish(run->spec, &random);
  QueueWatch watch(*run, &random);
  const ObservedTimes guest = watch.Guest(batches, ReadTimes(run->spec, batches, &random));
  PublishedTimes host = watch.Host(batches);
  if (source == run->misbound) host = watch.Host(Publish(run->spec, &random));
  AddQueueEvidence(std::move(host), guest, source, evidence);
}

// One node asks, the other answers in between: two statements.
void Ask(const ClockRun& run, int64_t reference_before, int64_t local, int64_t reference_after,
         uint32_t source, std::vector<ClockEvidence>* evidence) {
  if (!run.local.Runs(local)) return;
  if (!run.reference.Runs(reference_before) || !run.reference.Runs(reference_after)) return;
  evidence->push_back({local, reference_before, false, source});
  evidence->push_back({local, reference_after, true, source});
}

void OtherSources(const ClockRun& run, std::vector<ClockEvidence>* evidence) {
  const ClockSpec& spec = run.spec;
  Random random(spec.seed, "exchange");
  uint32_t source = static_cast<uint32_t>(spec.queues);
  const int64_t go = random.Between(15 * kUs, 300 * kUs);
  const int64_t come = go * random.Between(1, 8);
  const int64_t every = spec.machines ? kS : random.Between(kS, 10 * kS);
  for (int64_t t = 10 * kMs; spec.exchange && t < spec.span_ns; t += every) {
    for (int i = 0; i < 8; ++i) {
      const int64_t asked = t + i * 5 * kMs;
      const int64_t there = asked + go + random.Exp(static_cast<double>(go));
      const int64_t back = there + come + random.Exp(static_cast<double>(come));
      if (!random.Chance(spec.loss)) Ask(run, asked, there, back, source, evidence);
    }
  }
  ++source;
  // A cross timestamp, and a counter known on the other side: an answer within so many ns.
  for (int64_t t = 20 * kMs; spec.ptp && t < spec.span_ns; t += kS) {
    const int64_t at = t + random.Between(0, 100 * kMs);
    Ask(run, at - random.Between(50, 300), at, at + random.Between(50, 300), source, evidence);
  }
  ++source;
  for (int64_t t = 30 * kMs; spec.tsc && t < spec.span_ns; t += 100 * kMs) {
    const int64_t at = t + random.Between(0, 5 * kMs);
    Ask(run, at - random.Between(60, 200), at, at + random.Between(60, 200), source, evidence);
  }
}

}  // namespace

std::string ClockSpec::Name() const {
  static constexpr const char* kFaults[] = {"healthy", "suspended", "migrated", "stepped",
                                            "misbound"};
  std::string name = kFaults[static_cast<size_t>(fault)];
  if (machines) return name + " machines";
  name += tsc ? " tsc" : ptp ? " ptp" : exchange ? " queue+exchange" : " queue";
  return name + (marks_only ? " (marks)" : "");
}

ClockSpec DrawClockSpec(uint64_t seed) {
  Random random(seed, "spec");
  ClockSpec spec;
  spec.seed = seed;
  spec.span_ns = random.Between(8 * kS, 30 * kS);
  spec.slews = random.Chance(0.5);
  spec.loss = random.Chance(0.3) ? random.Real(0, 0.2) : 0;
  if (random.Chance(0.1)) {
    spec.machines = spec.exchange = true;
    spec.queues = 0;
    spec.span_ns *= 3;
    return spec;
  }
  if (random.Chance(0.5)) {
    spec.fault =
        static_cast<ClockFault>(random.Between(1, static_cast<int64_t>(ClockFault::kFaults) - 1));
  }
  spec.queues = random.Chance(0.4) ? static_cast<int>(random.Between(2, 4)) : 1;
  spec.marks_only = random.Chance(0.2);
  spec.poll_share = random.Chance(0.4) ? random.Real(0.1, 1) : 0;
  spec.exchange = random.Chance(0.4);
  const int64_t best = random.Between(0, 3);
  spec.ptp = best == 0;
  spec.tsc = best == 1;
  return spec;
}

ClockRun PlayClockRun(const ClockSpec& spec) {
  ClockRun run{.spec = spec};
  Random random(spec.seed, "clocks");
  for (ClockNode* node : {&run.local, &run.reference}) Oscillate(spec, &random, node);
  Fault(&run, &random);
  for (ClockNode* node : {&run.local, &run.reference}) Slew(spec, &random, node);
  if (spec.fault == ClockFault::kMisbound) run.misbound = 0;
  run.local_readings = Readings(spec, run.local, &random);
  run.reference_readings = Readings(spec, run.reference, &random);
  std::vector<ClockEvidence> evidence;
  for (int i = 0; i < spec.queues; ++i) WatchQueue(&run, static_cast<uint32_t>(i), &evidence);
  OtherSources(run, &evidence);
  for (const ClockEvidence& e : evidence) {
    const int64_t local = e.local_mono_ns;  // true times so far
    const int64_t reference = e.reference_mono_ns;
    if (std::min(local, reference) < 0 || std::max(local, reference) > spec.span_ns) continue;
    run.exact.push_back({run.local.raw.At(local), run.reference.raw.At(reference), e.upper});
    run.evidence.push_back(
        {run.local.MonoNs(local), run.reference.MonoNs(reference), e.upper, e.source});
  }
  return run;
}

}  // namespace ringside::sim
