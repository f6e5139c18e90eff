// SPDX-License-Identifier: Apache-2.0
// What a tracer on kvm:kvm_msi_set_irq adds to one injection, by the clock on the wall: everything
// that the kernel does for it is in it, also what its own accounting of programs leaves out. A
// program writes to an irqfd; rounds of all rows are interleaved, medians printed (root, /dev/kvm).
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "tests/agent/collect_sink.h"
#include "tests/bench/other_tools.h"
#include "tests/live/irqfd_vm.h"

namespace ringside {
namespace {

constexpr int kRounds = 9;
constexpr int kWrites = 50'000;  // as many records as the bare ring has room for
constexpr char kReference[] = "bpftrace @ = count()";  // the column of ratios
constexpr int kSettleUs = 3'000'000;                   // tools compile and set up for seconds

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double NsPerWrite(const IrqfdVm& vm) {
  const uint64_t one = 1;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kWrites; ++i) {
    if (write(vm.event, &one, sizeof(one)) != sizeof(one)) return 0;
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / kWrites;
}

// One of the programs in bench.bpf.c, attached while this lives.
class BenchProgram {
 public:
  explicit BenchProgram(const char* name)
      : object_(bpf_object__open_file(RINGSIDE_BENCH_OBJECT, nullptr)) {
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, object_) {
      bpf_program__set_autoload(each, strcmp(bpf_program__name(each), name) == 0);
    }
    if (bpf_object__load(object_) != 0) return;
    link_ = bpf_program__attach(bpf_object__find_program_by_name(object_, name));
  }
  ~BenchProgram() {
    if (link_ != nullptr) bpf_link__destroy(link_);
    bpf_object__close(object_);
  }
  BenchProgram(const BenchProgram&) = delete;
  BenchProgram& operator=(const BenchProgram&) = delete;
  bool ok() const { return link_ != nullptr; }

 private:
  bpf_object* object_;
  bpf_link* link_ = nullptr;
};

double WithProgram(const IrqfdVm& vm, const char* name) {
  BenchProgram program(name);
  return program.ok() ? NsPerWrite(vm) : 0;
}

double WithAgent(const IrqfdVm& vm) {
  CollectSink sink;
  auto agent = Agent::Start({.roles = kRoleHost}, &sink);
  return agent.ok() ? NsPerWrite(vm) : 0;
}

double WithTool(const IrqfdVm& vm, const std::vector<std::string>& command) {
  OtherTool tool(command);
  usleep(kSettleUs);
  if (!tool.running()) return 0;
  const double ns = NsPerWrite(vm);
  return tool.running() ? ns : 0;
}

struct Row {
  const char* name;
  std::function<double()> measure;
  std::vector<double> net_ns;  // over what the same round took without any tracer
};

void Print(const std::vector<Row>& rows, double without_ns) {
  fmt::print("kvm:kvm_msi_set_irq, one write to an irqfd each; medians of {} interleaved rounds\n",
             kRounds);
  fmt::print("without any tracer: {:.0f} ns a write\n\n", without_ns);
  fmt::print("{:<52}{:>14}{:>22}\n", "tracer", "ns it adds", "bpftrace's / this");
  double bpftrace = 0;
  for (const Row& row : rows) {
    if (row.name == kReference) bpftrace = Median(row.net_ns);
  }
  for (const Row& row : rows) {
    const double net = Median(row.net_ns);
    const std::string ratio =
        bpftrace > 0 && net > 1 ? fmt::format("{:.2f}x", bpftrace / net) : "-";
    fmt::print("{:<52}{:>14}{:>22}\n", row.name,
               row.net_ns.empty() ? "not here" : fmt::format("{:.0f}", net), ratio);
  }
}

int Run() {
  IrqfdVm vm;
  if (geteuid() != 0 || !vm.ok) {
    fmt::print(stderr, "wall cost: needs root, and KVM that makes a VM\n");
    return 4;
  }
  const std::string event = "kvm:kvm_msi_set_irq";
  const std::string trace = "/tmp/ringside-wall-cost-" + std::to_string(getpid()) + ".dat";
  std::vector<Row> rows = {
      {"empty program", [&] { return WithProgram(vm, "wall_empty"); }, {}},
      {"plain per-CPU count", [&] { return WithProgram(vm, "wall_count"); }, {}},
      {"bare 32-byte ring record", [&] { return WithProgram(vm, "wall_ring"); }, {}},
      {"ringside's host agent (this hook and apic_accept)", [&] { return WithAgent(vm); }, {}},
      {kReference,
       [&] {
         return WithTool(vm, {"bpftrace", "-e", "tracepoint:" + event + " { @ = count(); }"});
       },
       {}},
      {"bpftrace @[tid] = count()",
       [&] {
         return WithTool(vm, {"bpftrace", "-e", "tracepoint:" + event + " { @[tid] = count(); }"});
       },
       {}},
      {"trace-cmd record -e",
       [&] {
         return WithTool(vm, {"trace-cmd", "record", "-o", trace, "-e", event});
       },
       {}},
  };
  std::vector<double> without;
  NsPerWrite(vm);  // warm
  for (int round = 0; round < kRounds; ++round) {
    fmt::print(stderr, "round {} of {}\n", round + 1, kRounds);
    for (Row& row : rows) {
      const double before = NsPerWrite(vm);
      const double with = row.measure();
      without.push_back(before);
      if (with > 0) row.net_ns.push_back(with - before);
    }
    unlink(trace.c_str());
  }
  Print(rows, Median(without));
  return 0;
}

}  // namespace
}  // namespace ringside

int main() { return ringside::Run(); }
