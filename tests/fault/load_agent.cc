// SPDX-License-Identifier: Apache-2.0
// An agent without a kernel: the real sink (spool, lease, gRPC) under a load that is known exactly.
//
// Every record is written to a ledger of its own before and after it is put, so that whoever kills
// this program knows what it had made:
//
//   B instance                               a life begins
//   I instance number kind hash events from marks   about to be put; kind: place in Record + 1
//   D instance number                        is put
//   E instance                               ended in order
//
// Counters count the events that were made: guest.irq of queue q is the number of its events.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <iostream>

#include "agent/grpc_sink.h"
#include "proto/chunk.h"
#include "proto/clocks.h"
#include "proto/texts.h"
#include "tests/proto/random.h"
#include "tests/proto/sample_records.h"

namespace ringside {
namespace {

volatile std::sig_atomic_t g_stop = 0;
void OnSignal(int) { g_stop = 1; }

constexpr uint32_t kQueues = 4;

struct LoadOptions {
  GrpcSinkOptions sink;
  std::string name = "load";
  std::string ledger;
  uint64_t seed = 0;
  uint64_t chunk_events = 200;  // of each tick
  int tick_ms = 10;
};

class Load {
 public:
  Load(const LoadOptions& options, int ledger, GrpcSink* sink)
      : options_(options), ledger_(ledger), sink_(*sink), random_(options.seed) {
    instance_ = fmt::format("{:016x}", random_.engine()());
  }

  absl::Status Run() {
    Write(fmt::format("B {}\n", instance_));
    Hello hello = MakeHello(options_.name);
    hello.key.instance = instance_;
    hello.clock = ReadClocks();
    if (absl::Status status = Put(hello); !status.ok()) return status;
    for (Gap& gap : sink_.TakeInherited()) {
      if (absl::Status status = Put(std::move(gap)); !status.ok()) return status;
    }
    for (uint32_t queue = 1; queue <= kQueues; ++queue) {
      QueueInfo info = MakeQueue(queue, "eth0", fmt::format("rx{}", queue - 1));
      info.mono_ns = MonotonicNs();
      if (absl::Status status = Put(info); !status.ok()) return status;
    }
    for (uint64_t tick = 0; g_stop == 0; ++tick) {
      if (absl::Status status = Tick(tick); !status.ok()) return status;
      usleep(options_.tick_ms * 1000);
    }
    if (absl::Status status = PutSnapshot(true); !status.ok()) return status;
    if (absl::Status status = Put(Bye{ReadClocks(), "asked to stop"}); !status.ok()) return status;
    constexpr int kFlushMs = 60'000;
    if (absl::Status status = sink_.Flush(kFlushMs); !status.ok()) return status;
    Write(fmt::format("E {}\n", instance_));
    return absl::OkStatus();
  }

 private:
  absl::Status Tick(uint64_t tick) {
    if (absl::Status status = PutEvents(); !status.ok()) return status;
    if (tick % 5 == 0) {
      if (absl::Status status = PutSnapshot(tick % 50 == 0); !status.ok()) return status;
    }
    if (random_.OneIn(4)) {
      const LogLine line{MonotonicNs(), 6, fmt::format("irq line {}", tick)};
      if (absl::Status status = Put(line); !status.ok()) return status;
    }
    if (!random_.OneIn(4)) return absl::OkStatus();
    Marks marks;
    for (uint64_t i = 1 + random_.UpTo(3); i > 0; --i) {
      Mark mark;
      mark.queue = QueueId{static_cast<uint32_t>(1 + random_.UpTo(kQueues - 1))};
      mark.mono_ns = MonotonicNs();
      mark.pos = counts_[static_cast<uint32_t>(mark.queue) - 1];
      marks.marks.push_back(mark);
    }
    return Put(std::move(marks));
  }

  absl::Status PutEvents() {
    std::vector<Event> events;
    int64_t at_ns = MonotonicNs();
    for (uint64_t i = 0; i < options_.chunk_events; ++i) {
      const auto queue = static_cast<uint32_t>(random_.UpTo(kQueues - 1));
      Event event;
      event.mono_ns = at_ns += static_cast<int64_t>(random_.UpTo(20'000));
      event.queue = QueueId{queue + 1};
      event.kind = static_cast<uint16_t>(EventKind::kGuestIrq);
      event.number = counts_[queue]++;
      event.pos = event.number;
      event.cpu = static_cast<uint16_t>(queue % 2);
      events.push_back(event);
    }
    auto chunk = EncodeChunk(events, next_event_);
    if (!chunk.ok()) return chunk.status();
    next_event_ += events.size();
    return Put(*std::move(chunk));
  }

  absl::Status PutSnapshot(bool full) {
    Snapshot snapshot = MakeSnapshot(++sequence_, full, {});
    snapshot.begin = ReadClocks();
    for (uint32_t queue = 0; queue < kQueues; ++queue) {
      const uint64_t value = counts_[queue];
      snapshot.samples.push_back({QueueId{queue + 1}, Count::kGuestIrq, HookId{1}, value, value});
    }
    snapshot.end = ReadClocks();
    return Put(std::move(snapshot));
  }

  absl::Status Put(Record body) {
    NumberedRecord record{next_number_++, std::move(body)};
    const auto* chunk = std::get_if<EventChunk>(&record.record);
    const auto* marks = std::get_if<Marks>(&record.record);
    CleanTexts(record.record);
    Write(fmt::format(
        "I {} {} {} {} {} {} {}\n", instance_, record.number, record.record.index() + 1,
        Fingerprint(record), chunk == nullptr ? 0 : chunk->count,
        chunk == nullptr ? 0 : chunk->first_number, marks == nullptr ? 0 : marks->marks.size()));
    if (absl::Status status = sink_.Put(record); !status.ok()) return status;
    Write(fmt::format("D {} {}\n", instance_, record.number));
    return absl::OkStatus();
  }

  // One call for each line: a killed process leaves whole lines only.
  void Write(const std::string& line) {
    if (write(ledger_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      std::cerr << "ringside-load-agent: " << options_.ledger << ": cannot be written\n";
      _exit(4);
    }
  }

  const LoadOptions& options_;
  const int ledger_;
  GrpcSink& sink_;
  Random random_;
  std::string instance_;
  std::array<uint64_t, kQueues> counts_{};
  uint64_t next_number_ = 1;
  uint64_t next_event_ = 1;
  uint64_t sequence_ = 0;
};

int RunLoad(const LoadOptions& options) {
  const int ledger = open(options.ledger.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  auto sink = GrpcSink::Create(options.sink);
  absl::Status status = sink.status();
  if (status.ok()) {
    std::cerr << "ready\n";
    status = Load(options, ledger, sink->get()).Run();
  }
  if (!status.ok()) std::cerr << "ringside-load-agent: " << status.message() << "\n";
  return status.ok() ? 0 : 4;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  using namespace ringside;  // NOLINT: main only
  CLI::App app("Sends a load that is known exactly to a collector, for tests.");
  LoadOptions options;
  size_t spool_kib = 1024;
  app.add_option("--collector", options.sink.address)->required();
  app.add_option("--ledger", options.ledger)->required();
  app.add_option("--lease-dir", options.sink.lease_folder);
  app.add_option("--name", options.name);
  app.add_option("--seed", options.seed);
  app.add_option("--spool-kib", spool_kib);
  app.add_option("--chunk-events", options.chunk_events);
  app.add_option("--tick-ms", options.tick_ms);
  CLI11_PARSE(app, argc, argv);
  options.sink.spool_bytes_max = spool_kib << 10;
  options.sink.clock = ReadClocks;
  options.sink.backoff_ms_min = 20;
  options.sink.backoff_ms_max = 200;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return RunLoad(options);
}
