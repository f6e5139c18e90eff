// SPDX-License-Identifier: Apache-2.0
// Nanoseconds per hit of the shipped interrupt program, beside an empty one, a plain count, a bare
// ring record and bpftrace's count on the same tracepoint, in one run under one disk load.
//
// The kernel's own accounting (run_time_ns / run_cnt) is used; its clock reads are in every row and
// cancel in the column net of empty. Rounds are interleaved, medians printed.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "tests/agent/collect_sink.h"
#include "tests/bench/other_tools.h"
#include "tests/live/disk_load.h"

namespace ringside {
namespace {

constexpr int kRounds = 5;
constexpr int kSettleUs = 200'000;
constexpr int kMeasureUs = 1'000'000;

struct Cost {
  uint64_t hits = 0;
  uint64_t time_ns = 0;
};

// Totals of all loaded programs whose name starts with `prefix`.
Cost TotalsOf(const std::string& prefix) {
  Cost total;
  uint32_t id = 0;
  while (bpf_prog_get_next_id(id, &id) == 0) {
    const int fd = bpf_prog_get_fd_by_id(id);
    if (fd < 0) continue;
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    const bool ours = bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
                      strncmp(info.name, prefix.c_str(), prefix.size()) == 0;
    if (ours) {
      total.hits += info.run_cnt;
      total.time_ns += info.run_time_ns;
    }
    close(fd);
  }
  return total;
}

Cost MeasureFor(const std::string& prefix, const std::function<void()>& meanwhile) {
  usleep(kSettleUs);
  const Cost before = TotalsOf(prefix);
  meanwhile();
  const Cost after = TotalsOf(prefix);
  return {after.hits - before.hits, after.time_ns - before.time_ns};
}

void Wait() { usleep(kMeasureUs); }

Cost MeasureBench(const char* program) {
  bpf_object* object = bpf_object__open_file(RINGSIDE_BENCH_OBJECT, nullptr);
  if (object == nullptr) return {};
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, object) {
    bpf_program__set_autoload(each, strcmp(bpf_program__name(each), program) == 0);
  }
  Cost cost;
  if (bpf_object__load(object) == 0) {
    bpf_link* link = bpf_program__attach(bpf_object__find_program_by_name(object, program));
    if (link != nullptr) {
      cost = MeasureFor(program, Wait);
      bpf_link__destroy(link);
    }
  }
  bpf_object__close(object);
  return cost;
}

// Nothing given up: what is measured must not change meanwhile.
Cost MeasureShipped(const char* program, const std::vector<std::string>& details) {
  CollectSink sink;
  auto agent = Agent::Start({.roles = kRoleGuest, .detail = details, .ceiling_percent = 0}, &sink);
  if (!agent.ok()) return {};
  constexpr int kSteps = 25;  // details begin once the agent knows the queue, within a second
  for (int i = 0; i < kSteps && !details.empty(); ++i) {
    if (!(*agent)->Step().ok()) return {};
  }
  const Cost cost = MeasureFor(program, Wait);  // the ring has room for all of it
  if (!(*agent)->Step().ok() || (*agent)->totals().dropped > 0) return {};
  return cost;
}

Cost MeasureBpftrace() {
  OtherTool bpftrace({"bpftrace", "-e", "tracepoint:irq:irq_handler_entry { @ = count(); }"});
  // It compiles for seconds; wait until its program is there.
  const std::string prefix = "irq_handler_ent";
  for (int i = 0; i < 100 && TotalsOf(prefix).hits == 0; ++i) usleep(100'000);
  return MeasureFor(prefix, Wait);
}

constexpr char kBareRing[] = "bare 32-byte ring record";
constexpr char kEntry[] = "shipped: irq_handler_entry";
constexpr char kEntryDetail[] = "  each one recorded";
constexpr char kExit[] = "shipped: irq_handler_exit";
constexpr char kExitDetail[] = "  each outcome recorded";

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Run() {
  if (geteuid() != 0) {
    fmt::print(stderr, "hook cost: needs root\n");
    return 4;
  }
  const int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
  DiskLoad load(UINT64_MAX);
  if (stats < 0 || !load.ok()) {
    fmt::print(stderr, "hook cost: no BPF statistics, or no direct writes, on this machine\n");
    return 4;
  }
  struct Row {
    const char* name;
    std::function<Cost()> measure;
    std::vector<double> ns;
    uint64_t hits = 0;
  };
  std::vector<Row> rows = {
      {"empty program (tp_btf)", [] { return MeasureBench("bench_empty"); }, {}},
      {"plain per-CPU count", [] { return MeasureBench("bench_count"); }, {}},
      {kBareRing, [] { return MeasureBench("bench_ring"); }, {}},
      {kEntry, [] { return MeasureShipped("guest_irq_entry", {}); }, {}},
      {kEntryDetail, [] { return MeasureShipped("guest_irq_entry", {"all:guest.irq"}); }, {}},
      {kExit, [] { return MeasureShipped("guest_irq_exit", {}); }, {}},
      {kExitDetail,
       [] { return MeasureShipped("guest_irq_exit", {"all:guest.handled,guest.none"}); },
       {}},
      {"bpftrace @ = count()", [] { return MeasureBpftrace(); }, {}},
  };
  for (int round = 0; round < kRounds; ++round) {
    fmt::print(stderr, "round {} of {}\n", round + 1, kRounds);
    for (Row& row : rows) {
      const Cost cost = row.measure();
      row.hits += cost.hits;
      if (cost.hits > 0) row.ns.push_back(static_cast<double>(cost.time_ns) / cost.hits);
    }
  }
  close(stats);
  const double empty = Median(rows[0].ns);
  const double bpftrace = Median(rows.back().ns) - empty;
  fmt::print("irq:irq_handler_entry/exit, medians of {} interleaved rounds\n", kRounds);
  fmt::print("{:<28}{:>12}{:>10}{:>14}{:>22}\n", "program", "hits", "ns/hit", "net of empty",
             "bpftrace's net / this");
  for (const Row& row : rows) {
    const double net = Median(row.ns) - empty;
    const bool ratio = net > 1 && row.hits > 0;
    fmt::print("{:<28}{:>12}{:>10.1f}{:>14.1f}{:>22}\n", row.name, row.hits, Median(row.ns), net,
               ratio ? fmt::format("{:.2f}x", bpftrace / net) : "-");
  }
  const auto net_of = [&](const char* name) {
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [name](const Row& r) { return std::string(name) == r.name; });
    return Median(row->ns) - empty;
  };
  const double bare = net_of(kBareRing);
  for (const auto& [what, counting] : {std::pair(kEntryDetail, kEntry), {kExitDetail, kExit}}) {
    fmt::print("{}:{} {:.2f}x a bare ring record, counting included; the record alone {:.2f}x\n",
               counting, what, net_of(what) / bare, (net_of(what) - net_of(counting)) / bare);
  }
  return 0;
}

}  // namespace
}  // namespace ringside

int main() { return ringside::Run(); }
