// SPDX-License-Identifier: Apache-2.0
// ringside-agent: watches this machine's queues and streams what it sees to a collector.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "agent/agent.h"
#include "agent/grpc_sink.h"
#include "agent/lease.h"
#include "correlate/window.h"
#include "proto/clocks.h"
#include "proto/detail_wish.h"

namespace ringside {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitFailure = 4;
volatile std::sig_atomic_t g_stop = 0;

void OnSignal(int) { g_stop = 1; }

int Fail(const absl::Status& status) {
  std::cerr << "ringside-agent: " << status.message() << "\n";
  return kExitFailure;
}

// Says once that the collector is away, and once that it is back. Nothing is lost meanwhile: the
// sink keeps what it could not send, up to its bound.
class ConnectionWatch {
 public:
  ConnectionWatch(const GrpcSink& sink, std::string address)
      : sink_(sink), address_(std::move(address)), since_mono_ns_(MonotonicNs()) {}
  void Look() {
    constexpr int64_t kPatienceNs = 3'000'000'000;
    const int64_t now = MonotonicNs();
    if (sink_.connected()) {
      since_mono_ns_ = now;
      if (said_) std::cerr << "ringside-agent: connected to " << address_ << "\n";
      said_ = false;
    } else if (!said_ && now - since_mono_ns_ > kPatienceNs) {
      std::cerr << "ringside-agent: no answer from " << address_
                << "; counting goes on and records "
                << "are kept (at most " << (kSpoolBytesMax >> 20) << " MiB) until it is there\n";
      said_ = true;
    }
  }

 private:
  const GrpcSink& sink_;
  const std::string address_;
  int64_t since_mono_ns_;
  bool said_ = false;
};

// Until it is asked to stop; ABORTED if a new stream has to begin.
absl::Status Watch(const AgentOptions& options, const GrpcSinkOptions& sink_options,
                   GrpcSink& sink) {
  auto agent = Agent::Start(options, &sink);
  if (!agent.ok()) return agent.status();
  std::cerr << "ready: watching " << (*agent)->totals().queues << " queues, sending to "
            << sink_options.address << "\n";
  const std::string degraded = WhyDegraded((*agent)->hello().hooks, options.limit);
  if (!degraded.empty()) std::cerr << "ringside-agent: warning: " << degraded << "\n";
  ConnectionWatch watch(sink, sink_options.address);
  while (g_stop == 0) {
    for (const std::string& note : (*agent)->TakeNotes()) {
      std::cerr << "ringside-agent: " << note << "\n";
    }
    watch.Look();
    if (absl::Status status = (*agent)->Step(); !status.ok()) return status;
  }
  return (*agent)->Stop("asked to stop");
}

int Run(AgentOptions options, const GrpcSinkOptions& sink_options, const std::string& relay_at) {
  std::unique_ptr<ByteRelay> relay;
  if (!relay_at.empty()) {
    auto started = StartRelay(relay_at, sink_options.address);
    if (!started.ok()) {
      std::cerr << "ringside-agent: --relay: " << started.status().message() << "\n";
      return absl::IsInvalidArgument(started.status()) ? kExitUsage : kExitFailure;
    }
    relay = *std::move(started);
  }
  // Set back twice within so short a time, it is the collector that is wrong.
  constexpr int64_t kAgainAfterNs = 10'000'000'000;
  for (;;) {
    const int64_t begun_mono_ns = MonotonicNs();
    auto sink = GrpcSink::Create(sink_options);
    if (!sink.ok()) {
      std::cerr << "ringside-agent: " << sink.status().message() << "\n";
      return absl::IsInvalidArgument(sink.status()) ? kExitUsage : kExitFailure;
    }
    const absl::Status status = Watch(options, sink_options, **sink);
    if (status.ok()) return 0;
    if (!absl::IsAborted(status) || MonotonicNs() - begun_mono_ns < kAgainAfterNs) {
      return Fail(status);
    }
    Fail(status);
    options.begins_because = std::string(status.message());
  }
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  using namespace ringside;  // NOLINT: main only
  CLI::App app("Counts what happens to this machine's virtqueues and streams it to a collector.");
  app.set_version_flag("--version", RINGSIDE_VERSION);
  AgentOptions options;
  GrpcSinkOptions sink;
  sink.lease_folder = kLeaseFolder;
  std::string role = "auto";
  std::string rung;
  int interval_ms = 500;
  app.add_option("--collector", sink.address,
                 "HOST:PORT, unix:/path, or vsock:CID:PORT of a host's --relay")
      ->required();
  std::string relay;
  app.add_option("--relay", relay,
                 "Host: pass guests that connect to vsock:PORT on to --collector");
  app.add_option("--name", options.name, "Name to show for this machine (default: its host name)");
  app.add_option("--role", role, "auto, host or guest")
      ->check(CLI::IsMember({"auto", "host", "guest"}));
  app.add_option("--detail", options.detail,
                 "Events to record one by one: QUEUE[:STAGE,...][>50us|>N][@1/N], QUEUE a name, a "
                 "glob or all");
  app.add_option("--recorder", options.recorder,
                 "Events to keep for half a minute, and send on a trigger; as for --detail");
  app.add_option("--trigger", options.trigger,
                 "Events that are a trigger, such as all:guest.handled>1ms");
  app.add_option("--interval-ms", interval_ms, "Milliseconds between snapshots")
      ->check(CLI::Range(10, 60000));
  app.add_option("--ceiling", options.ceiling_percent,
                 "Percent of this machine's CPU time that it may take, kernel side included; above "
                 "it details are sampled, then hooks detached (default 3; 0: no ceiling)")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--rung", rung, "Use no better hooks than: fentry, kprobe, tracepoint or procfs")
      ->check(CLI::IsMember({"fentry", "kprobe", "tracepoint", "procfs"}));
  app.add_option("--btf", options.btf,
                 "BTF of this kernel, or a folder of RELEASE.btf (default: the kernel's own, else "
                 "built in)");
  app.add_option("--lease-dir", sink.lease_folder,
                 "Folder for what a killed agent leaves for the next (default /run/ringside)");
  app.add_flag("--insecure", sink.insecure, "Send in the clear to an address beyond this machine");
  app.footer(
      "Exit codes: 0 asked to stop, 2 usage, 4 failure. Needs root (or CAP_BPF, CAP_PERFMON, "
      "CAP_SYS_RESOURCE).\nExample: ringside-agent --collector 127.0.0.1:7700");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "ringside-agent: " << error.what() << " (see --help)\n";
    return kExitUsage;
  }
  if (role == "host") options.roles = kRoleHost;
  if (role == "guest") options.roles = kRoleGuest;
  for (const auto& [name, texts] :
       {std::pair("--detail", &options.detail), std::pair("--recorder", &options.recorder),
        std::pair("--trigger", &options.trigger)}) {
    if (auto wishes = ParseDetailWishes(*texts); !wishes.ok()) {
      std::cerr << "ringside-agent: " << name << ": " << wishes.status().message() << "\n";
      return kExitUsage;
    }
  }
  options.limit = RungByName(rung).value_or(Rung::kTpBtf);
  options.snapshot_interval_ns = int64_t{interval_ms} * 1'000'000;
  sink.clock = ReadClocks;
  struct sigaction action {};
  action.sa_handler = OnSignal;  // without SA_RESTART: a sleep ends early
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return Run(options, sink, relay);
}
