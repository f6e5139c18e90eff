// SPDX-License-Identifier: Apache-2.0
// What a collector takes for many agents: starts the real ringside-collector, connects agents made
// up here, each with busy queues and a snapshot per second, and reads the collector's own CPU time,
// memory and disk from the kernel.
//
//   ringside-many-agents COLLECTOR [AGENTS] [SECONDS] [QUEUES]
#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/grpc_call.h"
#include "proto/clocks.h"
#include "proto/convert.h"
#include "proto/sync.h"

namespace ringside {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// Hosts' queues, every count of a packet's way: none of them stands still.
constexpr Count kCounts[] = {Count::kTunOffered, Count::kTunEnqueued,    Count::kVhostBatches,
                             Count::kVhostUsed,  Count::kVhostSignalled, Count::kVhostSuppressed,
                             Count::kIrqfdWoken, Count::kKvmInjected};

[[noreturn]] void Fail(const std::string& why) {
  fmt::print(stderr, "many agents: {}\n", why);
  std::exit(4);
}

// One agent's call. Messages are made by the pacing thread and written one after the other.
class MadeUpAgent : public CallEvents {
 public:
  MadeUpAgent(CollectorClient& client, int place, uint32_t queues) : queues_(queues) {
    hello_.key = {fmt::format("machine-{}", place), "boot", "instance"};
    hello_.name = fmt::format("host{}", place);
    hello_.protocol = kProtocol;
    hello_.roles = kRoleHost;
    hello_.kernel = "6.1.0";
    for (uint32_t i = 0; i < std::size(kCounts); ++i) {
      HookInfo hook{.id = HookId{i}, .stage = "bench", .program = "bench", .target = "bench"};
      hook.rung = Rung::kFentry;
      hook.state = HookState::kProven;
      hello_.hooks.push_back(std::move(hook));
    }
    call_ = client.NewCall(this);
  }

  void Begin() {
    hello_.clock = ReadClocks();
    call_->Start();
    Say(hello_);
    for (uint32_t q = 1; q <= queues_; ++q) {
      QueueInfo info{.id = QueueId{q}, .generation = 1, .mono_ns = hello_.clock.mono_ns};
      info.kind = QueueKind::kHost;
      info.device = fmt::format("tap{}", (q - 1) / 2);
      info.queue = q % 2 == 1 ? "rx0" : "tx0";
      info.ring_size = 256;
      info.ring_address = 0x1000 * q;
      Say(info);
    }
  }

  // Traffic of a second, and the snapshot that tells it.
  void SaySnapshot() {
    Snapshot snapshot{.sequence = ++sequence_, .full = sequence_ % 10 == 1, .begin = ReadClocks()};
    for (uint32_t q = 1; q <= queues_; ++q) {
      value_ += 1000 + q;
      for (uint32_t i = 0; i < std::size(kCounts); ++i) {
        snapshot.samples.push_back({QueueId{q}, kCounts[i], HookId{i}, value_, value_ + q % 3});
      }
      snapshot.gauges.push_back({QueueId{q}, Gauge::kPosition, value_});
    }
    for (uint32_t i = 0; i < std::size(kCounts) && snapshot.full; ++i) {
      snapshot.hooks.push_back({.hook = HookId{i}, .hits = value_, .misses = 0});
    }
    snapshot.end = ReadClocks();
    Say(snapshot);
  }

  uint64_t acknowledged() {
    MutexLock lock(mutex_);
    return acknowledged_;
  }
  uint64_t said() const { return number_; }
  std::string why() {
    MutexLock lock(mutex_);
    return why_;
  }

  void OnRead(const v1::ToAgent* message) override {
    if (message == nullptr) return;
    if (message->has_ack() || message->has_welcome()) {
      MutexLock lock(mutex_);
      acknowledged_ =
          message->has_ack() ? message->ack().number() : message->welcome().last_number();
    } else if (message->has_probe()) {
      v1::FromAgent answer;
      answer.mutable_clock()->set_id(message->probe().id());
      EncodeClock(ReadClocks(), answer.mutable_clock()->mutable_clock());
      Queue(std::move(answer));
    } else if (message->has_refusal()) {
      MutexLock lock(mutex_);
      why_ = message->refusal().why();
    }
    call_->StartRead();
  }
  void OnWritten(bool ok) override {
    MutexLock lock(mutex_);
    queue_.pop_front();
    if (ok && !queue_.empty()) call_->StartWrite(&queue_.front());
  }
  void OnDone(const std::string& why) override {
    MutexLock lock(mutex_);
    if (why_.empty()) why_ = why.empty() ? "ended" : why;
  }

 private:
  void Say(const Record& record) {
    v1::FromAgent message;
    if (!EncodeRecord({++number_, record}, &message).ok()) Fail("a record that cannot be encoded");
    Queue(std::move(message));
  }
  void Queue(v1::FromAgent message) {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) call_->StartWrite(&queue_.front());
  }

  const uint32_t queues_;
  Hello hello_;
  uint64_t number_ = 0;
  uint64_t sequence_ = 0;
  uint64_t value_ = 0;
  std::unique_ptr<CollectorCall> call_;
  Mutex mutex_;
  std::deque<v1::FromAgent> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string why_ ABSL_GUARDED_BY(mutex_);
};

struct Use {
  double cpu_s = 0;
  double peak_mib = 0;
};

Use UseOf(pid_t pid) {
  Use use;
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(stat, line);
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string word;
  for (int field = 3; field <= 15 && rest >> word; ++field) {
    if (field >= 14) use.cpu_s += std::stod(word) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) use.peak_mib = std::stod(line.substr(6)) / 1024;
  }
  return use;
}

uint64_t BytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    bytes += entry.file_size();
  }
  return bytes;
}

pid_t StartCollector(const char* program, const std::string& directory) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const std::string listen = "unix:" + directory + "/socket";
  const std::string store = directory + "/store";
  if (freopen("/dev/null", "w", stderr) == nullptr) _exit(127);
  execl(program, program, "--listen", listen.c_str(), "--store", store.c_str(), nullptr);
  _exit(127);
}

void Run(const char* program, int count, int seconds, uint32_t queues,
         const std::string& directory) {
  const pid_t pid = StartCollector(program, directory);
  const auto address = ParseAddress("unix:" + directory + "/socket");
  for (int i = 0; i < 100 && !std::filesystem::exists(directory + "/socket"); ++i) usleep(100'000);
  // gRPC shares a connection between clients of one target: streams are what is many here.
  // Never destroyed: their calls are open to the end of the process.
  auto& clients = *new std::vector<std::unique_ptr<CollectorClient>>();
  auto& agents = *new std::vector<std::unique_ptr<MadeUpAgent>>();
  for (int i = 0; i < count; ++i) {
    if (i % 50 == 0) clients.push_back(NewCollectorClient(*address, 100, 1000));
    agents.push_back(std::make_unique<MadeUpAgent>(*clients.back(), i, queues));
    agents.back()->Begin();
    if (i % 10 == 9) usleep(10'000);
  }
  constexpr int kWarmUpS = 5;
  Use before;
  uint64_t bytes_before = 0;
  auto next = std::chrono::steady_clock::now();
  for (int second = 0; second < kWarmUpS + seconds; ++second) {
    if (second == kWarmUpS) {
      before = UseOf(pid);
      bytes_before = BytesIn(directory + "/store");
    }
    for (int i = 0; i < count; ++i) {
      agents[static_cast<size_t>(i)]->SaySnapshot();
      if (i % 20 != 19) continue;
      next += std::chrono::nanoseconds(kSecondNs * 20 / count);
      std::this_thread::sleep_until(next);
    }
    fmt::print(stderr, "\r{} of {} s", second + 1, kWarmUpS + seconds);
  }
  const Use after = UseOf(pid);
  const uint64_t bytes = BytesIn(directory + "/store") - bytes_before;
  usleep(2'000'000);
  uint64_t behind = 0;
  for (const auto& agent : agents) {
    if (!agent->why().empty()) Fail("an agent was ended: " + agent->why());
    behind += agent->said() - agent->acknowledged();
  }
  const double a_day = static_cast<double>(bytes) / seconds / count * 86'400;
  fmt::print("\n{} agents x {} queues x 1 snapshot/s, {} counts and gauges each changing, {} s\n\n",
             count, queues, queues * (std::size(kCounts) + 1), seconds);
  fmt::print("collector's CPU          {:>8.2f} cores   (budget 1.5)\n",
             (after.cpu_s - before.cpu_s) / seconds);
  fmt::print("its peak memory          {:>8.0f} MiB     (budget 1,024)\n", after.peak_mib);
  fmt::print("stored                   {:>8.1f} MB per agent and day\n", a_day / 1e6);
  fmt::print("not acknowledged 2 s later {:>6} records\n", behind);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: ringside-many-agents COLLECTOR [AGENTS] [SECONDS] [QUEUES]\n");
    return 2;
  }
  const int agents = argc > 2 ? std::atoi(argv[2]) : 1000;
  const int seconds = argc > 3 ? std::atoi(argv[3]) : 60;
  const int queues = argc > 4 ? std::atoi(argv[4]) : 16;
  std::string directory =
      std::filesystem::temp_directory_path().string() + "/ringside-agents-XXXXXX";
  if (agents < 20 || seconds < 1 || queues < 1 || mkdtemp(directory.data()) == nullptr) return 2;
  ringside::Run(argv[1], agents, seconds, static_cast<uint32_t>(queues), directory);
  std::filesystem::remove_all(directory);
  fflush(stdout);
  std::_Exit(0);  // calls are still open, and nobody is there to end them
}
