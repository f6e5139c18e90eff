// SPDX-License-Identifier: Apache-2.0
// Detail events from full rings to a disk through gRPC: events per second of the real sink, server
// and store in one process, and CPU time per event of each part, beside row inserts of the same
// events into SQLite and a bare gRPC stream of the same bytes. Ratios of one run.
//
//   ringside-throughput [EVENTS_IN_MILLIONS] [DIRECTORY]
#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "agent/grpc_sink.h"
#include "collector/server.h"
#include "collector/store/incident_writer.h"
#include "proto/chunk.h"
#include "proto/clocks.h"
#include "proto/convert.h"
#include "tests/bench/bare_stream.h"

namespace ringside {
namespace {

constexpr double kNs = 1e9;
constexpr size_t kDistinctChunks = 16;  // encoded again and again

double WallNs() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count());
}

double CpuNs() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * kNs + static_cast<double>(time.tv_nsec);
}

struct Time {
  double wall_ns = 0;
  double cpu_ns = 0;
};

Time Measure(const std::function<void()>& what) {
  const double wall = WallNs();
  const double cpu = CpuNs();
  what();
  return {WallNs() - wall, CpuNs() - cpu};
}

void Check(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  const std::string text(status.message().data(), status.message().size());
  fmt::print(stderr, "throughput: {}: {}\n", what, text);
  std::exit(4);
}

// Interrupts and their ends as a busy node with four CPUs and eight queues has them: gaps of 2 us
// per CPU on average, exponential, which is the worst case for compression.
std::vector<std::vector<Event>> MakeChunks() {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> gap(1.0 / 2000);
  std::vector<std::vector<Event>> chunks(kDistinctChunks);
  struct Queue {
    uint64_t pos = 0;
    uint64_t irqs = 0;
    uint64_t handled = 0;
  };
  std::vector<Queue> queues(8);
  std::vector<double> now(4, 1e12);
  for (std::vector<Event>& chunk : chunks) {
    chunk.reserve(kChunkEventsMax);
    // As the kernel's ring has them: runs of one CPU, interleaved.
    while (chunk.size() < kChunkEventsMax) {
      const auto cpu = static_cast<uint16_t>(random() % now.size());
      const uint32_t place = cpu * 2 + (random() % 8 == 0 ? 1 : 0);
      Queue& queue = queues[place];
      now[cpu] += gap(random);
      queue.pos += 1 + random() % 4;
      Event event{.mono_ns = static_cast<int64_t>(now[cpu]), .pos = queue.pos};
      event.queue = QueueId{place + 1};
      event.cpu = cpu;
      event.kind = static_cast<uint16_t>(EventKind::kGuestIrq);
      event.number = queue.irqs++;
      chunk.push_back(event);
      if (chunk.size() == kChunkEventsMax) break;
      const auto took_ns = static_cast<uint32_t>(400 + random() % 300);
      now[cpu] += took_ns;
      event.mono_ns = static_cast<int64_t>(now[cpu]);
      event.kind = static_cast<uint16_t>(EventKind::kGuestHandled);
      event.number = queue.handled++;
      event.value = took_ns;
      chunk.push_back(event);
    }
  }
  return chunks;
}

Hello TestHello(const std::string& instance) {
  Hello hello;
  hello.key = {"bench-machine", "bench-boot", instance};
  hello.name = "bench";
  hello.protocol = kProtocol;
  hello.clock = ReadClocks();
  return hello;
}

QueueInfo TestQueue(uint32_t id) {
  QueueInfo info{.id = QueueId{id}, .generation = 1};
  info.device = "eth0";
  info.queue = fmt::format("rx{}", id - 1);
  return info;
}

class Bench {
 public:
  Bench(size_t chunks, std::string directory)
      : chunks_(chunks), directory_(std::move(directory)), events_(MakeChunks()) {}

  void Run() {
    Encode();
    Index();
    Store();
    Rows();
    BareStream();
    EndToEnd();
    Print();
  }

 private:
  double events() const { return static_cast<double>(chunks_ * kChunkEventsMax); }

  void Encode() {
    encode_ = Measure([this] {
      for (size_t i = 0; i < chunks_; ++i) {
        auto chunk = EncodeChunk(events_[i % kDistinctChunks], 1 + i * kChunkEventsMax);
        Check(chunk.status(), "encode");
        bytes_ += static_cast<double>(chunk->data.size());
        if (i < kDistinctChunks) encoded_.push_back(*std::move(chunk));
      }
    });
  }

  void Index() {
    index_ = Measure([this] {
      for (size_t i = 0; i < chunks_; ++i) {
        Check(IndexChunk(encoded_[i % encoded_.size()]).status(), "index");
      }
    });
  }

  NumberedRecord Record(size_t i, uint64_t number) const {
    EventChunk chunk = encoded_[i % encoded_.size()];
    chunk.first_number = 1 + i * kChunkEventsMax;
    return {number, std::move(chunk)};
  }

  // The store alone, its own check and index of each chunk included.
  void Store() {
    auto writer = IncidentWriter::Create(directory_ + "/store.rsi", "bench");
    Check(writer.status(), "store");
    const Hello hello = TestHello("store");
    Check((*writer)->Append(hello.key, {1, hello}), "store");
    for (uint32_t q = 1; q <= 8; ++q)
      Check((*writer)->Append(hello.key, {1 + q, TestQueue(q)}), "");
    store_ = Measure([&] {
      for (size_t i = 0; i < chunks_; ++i) {
        Check((*writer)->Append(hello.key, Record(i, 10 + i)), "store");
        if (i % 64 == 63) Check((*writer)->Commit(ReadClocks()), "commit");
      }
      Check((*writer)->Commit(ReadClocks()), "commit");
    });
    Check((*writer)->Close(), "close");
  }

  // The same events as rows, the fast way: one prepared statement, big transactions, no index.
  void Rows() {
    const std::string path = directory_ + "/rows.db";
    sqlite3* db = nullptr;
    sqlite3_open(path.c_str(), &db);
    sqlite3_exec(db,
                 "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE events(t, pos,"
                 " queue, kind, cpu, number, value)",
                 nullptr, nullptr, nullptr);
    sqlite3_stmt* insert = nullptr;
    sqlite3_prepare_v2(db, "INSERT INTO events VALUES(?,?,?,?,?,?,?)", -1, &insert, nullptr);
    rows_ = Measure([&] {
      for (size_t c = 0; c < kRowChunks; ++c) {
        sqlite3_exec(db, "BEGIN", nullptr, nullptr, nullptr);
        for (const Event& e : events_[c % kDistinctChunks]) {
          int at = 0;
          for (const int64_t value :
               {e.mono_ns, static_cast<int64_t>(e.pos), static_cast<int64_t>(e.queue),
                static_cast<int64_t>(e.kind), static_cast<int64_t>(e.cpu),
                static_cast<int64_t>(e.number), static_cast<int64_t>(e.value)}) {
            sqlite3_bind_int64(insert, ++at, value);
          }
          sqlite3_step(insert);
          sqlite3_reset(insert);
        }
        sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
      }
    });
    sqlite3_finalize(insert);
    sqlite3_close(db);
    row_bytes_ = static_cast<double>(std::filesystem::file_size(path)) /
                 static_cast<double>(kRowChunks * kChunkEventsMax);
  }

  void BareStream() {
    std::vector<std::string> messages;
    for (const EventChunk& chunk : encoded_) messages.push_back(chunk.data);
    bare_ = Measure(
        [&] { Check(SendBare(messages, chunks_, "unix:" + directory_ + "/bare"), "bare stream"); });
  }

  // Encoding, sink, gRPC, server, store, fsync: until all of it is acknowledged.
  void EndToEnd() {
    CollectorOptions options{.listen = "unix:" + directory_ + "/socket"};
    options.store = directory_ + "/collector";
    options.name = "bench";
    options.clock = ReadClocks;
    options.log = [](const std::string&) {};
    auto server = CollectorServer::Start(options);
    Check(server.status(), "collector");
    GrpcSinkOptions sink_options{.address = (*server)->address(), .clock = ReadClocks};
    sink_options.spool_bytes_max = size_t{4} << 30;  // nothing is dropped here
    auto sink = GrpcSink::Create(sink_options);
    Check(sink.status(), "sink");
    Check((*sink)->Put({1, TestHello("end-to-end")}), "hello");
    for (uint32_t q = 1; q <= 8; ++q) Check((*sink)->Put({1 + q, TestQueue(q)}), "queue");
    constexpr int kMinuteMs = 60'000;
    Check((*sink)->Flush(kMinuteMs), "connect");
    whole_ = Measure([&] {
      for (size_t i = 0; i < chunks_; ++i) {
        auto chunk = EncodeChunk(events_[i % kDistinctChunks], 1 + i * kChunkEventsMax);
        Check((*sink)->Put({10 + i, *std::move(chunk)}), "put");
      }
      Check((*sink)->Flush(10 * kMinuteMs), "flush");
    });
    Check((*server)->Stop(), "stop");
    file_bytes_ = static_cast<double>(std::filesystem::file_size((*server)->file())) / events();
  }

  void Print() const {
    const double n = events();
    const auto row = [](const char* name, double rate, double wall, double cpu) {
      fmt::print("{:<52}{:>10.1f}{:>12.1f}{:>12.1f}\n", name, rate / 1e6, wall, cpu);
    };
    fmt::print(
        "{:.0f} M events, {} CPUs, {:.2f} bytes per event on the wire, {:.2f} in the file\n\n",
        n / 1e6, sysconf(_SC_NPROCESSORS_ONLN), bytes_ / n, file_bytes_);
    fmt::print("{:<52}{:>10}{:>12}{:>12}\n", "", "M/s", "ns/event", "CPU ns/event");
    const auto part = [&](const char* name, const Time& time, double count) {
      row(name, count / time.wall_ns * kNs, time.wall_ns / count, time.cpu_ns / count);
    };
    part("rings to disk through gRPC, acknowledged", whole_, n);
    part("  of it: packing (agent)", encode_, n);
    part("  of it: checking and indexing (collector)", index_, n);
    part("  of it: the store, its checking included", store_, n);
    part("  a bare gRPC stream of the same bytes", bare_, n);
    const double rows = static_cast<double>(kRowChunks * kChunkEventsMax);
    part("SQLite row inserts of the same events", rows_, rows);
    fmt::print("\nagainst row inserts: {:.1f}x the rate, {:.1f}x smaller ({:.1f} bytes a row)\n",
               (n / whole_.wall_ns) / (rows / rows_.wall_ns), row_bytes_ / file_bytes_, row_bytes_);
    fmt::print("against a bare stream of the same bytes: {:.2f}x the time\n",
               whole_.wall_ns / bare_.wall_ns);
  }

  static constexpr size_t kRowChunks = 32;  // 2 M rows
  const size_t chunks_;
  const std::string directory_;
  const std::vector<std::vector<Event>> events_;
  std::vector<EventChunk> encoded_;
  double bytes_ = 0;
  double file_bytes_ = 0;
  double row_bytes_ = 0;
  Time encode_, index_, store_, rows_, bare_, whole_;
};

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  const double millions = argc > 1 ? std::atof(argv[1]) : 50;
  const std::string parent = argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  std::string directory = parent + "/ringside-throughput-XXXXXX";
  if (millions <= 0 || mkdtemp(directory.data()) == nullptr) {
    fmt::print(stderr, "usage: ringside-throughput [EVENTS_IN_MILLIONS] [DIRECTORY]\n");
    return 2;
  }
  const auto chunks = static_cast<size_t>(std::ceil(millions * 1e6 / ringside::kChunkEventsMax));
  ringside::Bench(chunks, directory).Run();
  std::filesystem::remove_all(directory);
  return 0;
}
