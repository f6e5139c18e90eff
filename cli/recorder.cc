// SPDX-License-Identifier: Apache-2.0
#include "cli/recorder.h"

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "agent/grpc_sink.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/store_sink.h"
#include "cli/tee_sink.h"
#include "cli/terminal.h"
#include "fmt/format.h"
#include "proto/clocks.h"

namespace ringside {
namespace {

// The sinks of one recording, each before the ones it puts into.
struct Chain {
  std::unique_ptr<ByteRelay> relay;
  std::unique_ptr<StoreSink> store;
  std::unique_ptr<GrpcSink> grpc;
  std::unique_ptr<TeeSink> tee;
  std::unique_ptr<VmFilterSink> filter;
  Sink* first = nullptr;
};

absl::StatusOr<Chain> MakeChain(const RecorderOptions& options) {
  Chain chain;
  if (!options.collector.empty()) {
    auto grpc = GrpcSink::Create(
        {.address = options.collector, .clock = ReadClocks, .insecure = options.insecure});
    if (!grpc.ok()) return grpc.status();
    chain.grpc = *std::move(grpc);
  }
  if (!options.relay.empty()) {
    auto relay = StartRelay(options.relay, options.collector);
    if (!relay.ok()) return relay.status();
    chain.relay = *std::move(relay);
  }
  auto store = StoreSink::Create(options.output, options.agent.name, ReadClocks);
  if (!store.ok()) return store.status();
  chain.store = *std::move(store);
  chain.first = chain.store.get();
  if (chain.grpc != nullptr) {
    auto on_lost = [](const absl::Status& status) {
      SayError(fmt::format("ringside: the collector does not get everything ({}); the file does",
                           Message(status)));
    };
    chain.tee = std::make_unique<TeeSink>(*chain.first, *chain.grpc, on_lost);
    chain.first = chain.tee.get();
  }
  if (!options.vms.empty()) {
    chain.filter = std::make_unique<VmFilterSink>(options.vms, *chain.first);
    chain.first = chain.filter.get();
  }
  return chain;
}

const char* StopReason(int signal) {
  switch (signal) {
    case 0: return "duration over";
    case SIGINT: return "interrupted by the user";
    default: return "terminated by a signal";
  }
}

absl::Status RunAgent(Agent& agent, const RecorderOptions& options, const SignalScope& signals,
                      Progress& progress) {
  const int64_t begin_ns = MonotonicNs();
  while (signals.received() == 0) {
    int64_t elapsed_ns = MonotonicNs() - begin_ns;
    if (options.duration_ns > 0 && elapsed_ns >= options.duration_ns) break;
    if (absl::Status status = agent.Step(); !status.ok()) return status;
    for (const std::string& note : agent.TakeNotes()) {
      progress.Clear();
      SayError("ringside: warning: " + note);
    }
    progress.Update(elapsed_ns, agent.totals());
  }
  progress.Finish(MonotonicNs() - begin_ns, agent.totals());
  return agent.Stop(StopReason(signals.received()));
}

// What a failure on the way leaves behind is said with it: nobody should throw the file away.
absl::Status WithRemains(const absl::Status& status, const std::string& path) {
  return absl::Status(
      status.code(),
      fmt::format("{}; what was recorded until then is safe: ringside {}", Message(status), path));
}

void WarnOfMissingVm(const VmFilterSink* filter, const std::vector<std::string>& vms) {
  if (filter == nullptr || filter->any_matched()) return;
  std::string seen;
  for (const std::string& vm : filter->seen_vms()) seen += (seen.empty() ? "" : ", ") + vm;
  SayError(fmt::format("ringside: no queue of VM '{}' was seen; VMs with queues here: {}",
                       vms.front(), seen.empty() ? "none" : seen));
}

}  // namespace

void RemoveIncident(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::filesystem::remove(path + suffix, ignored);
  }
}

absl::Status RunRecorder(const RecorderOptions& options) {
  const SignalScope signals;
  auto chain = MakeChain(options);
  if (!chain.ok()) return chain.status();
  auto agent = Agent::Start(options.agent, chain->first);
  absl::Status started = agent.ok() ? chain->store->Flush(0) : agent.status();
  if (!started.ok()) {
    chain->store.reset();
    RemoveIncident(options.output);
    return started;
  }
  Progress progress(options.duration_ns, options.quiet, StderrIsTerminal());
  progress.Ready(options.output);
  const std::string degraded = WhyDegraded((*agent)->hello().hooks, options.agent.limit);
  if (!degraded.empty()) SayError("ringside: warning: " + degraded);
  absl::Status status = RunAgent(**agent, options, signals, progress);
  absl::Status closed = chain->store->Close();
  if (!status.ok()) {
    progress.Clear();
    return WithRemains(status, options.output);
  }
  if (absl::IsUnavailable(closed)) {
    SayError("ringside: warning: " + Message(closed));
  } else if (!closed.ok()) {
    return WithRemains(closed, options.output);
  }
  WarnOfMissingVm(chain->filter.get(), options.vms);
  std::error_code ignored;
  auto bytes = std::filesystem::file_size(options.output, ignored);
  progress.End(options.output, bytes, (*agent)->totals());
  return absl::OkStatus();
}

}  // namespace ringside
