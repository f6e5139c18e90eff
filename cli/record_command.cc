// SPDX-License-Identifier: Apache-2.0
// `ringside record`: declares its options and checks what can be checked before anything is loaded.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/machine.h"
#include "cli/recorder.h"
#include "cli/terminal.h"
#include "correlate/window.h"
#include "fmt/format.h"
#include "proto/address.h"
#include "proto/detail_wish.h"

namespace ringside {
namespace {

struct RecordArgs {
  RecorderOptions options;
  std::string duration;
  std::string interval;
  std::string role = "auto";
  std::string rung;
  bool force = false;
};

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "host";
  return name;
}

// host1-20261120-140211.rsi: two recordings of one machine never collide by accident.
std::string DefaultOutput(const std::string& name) {
  time_t now = time(nullptr);
  tm local{};
  localtime_r(&now, &local);
  char stamp[32];
  std::string text(stamp, strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local));
  std::string safe = name;
  for (char& c : safe) {
    if (c == '/' || c == ' ') c = '-';
  }
  return safe + "-" + text + ".rsi";
}

absl::Status ParseRole(const std::string& text, uint32_t& roles) {
  static const std::pair<const char*, uint32_t> kRoles[] = {
      {"auto", 0}, {"host", kRoleHost}, {"guest", kRoleGuest}};
  for (const auto& [name, bits] : kRoles) {
    if (text != name) continue;
    roles = bits;
    return absl::OkStatus();
  }
  return UsageError(fmt::format("--role: '{}' is none of auto, host, guest", text));
}

absl::Status ParseRung(const std::string& text, Rung& limit) {
  if (text.empty()) return absl::OkStatus();
  const std::optional<Rung> rung = RungByName(text);
  if (!rung || *rung < Rung::kFentry || *rung > Rung::kProcfs) {
    return UsageError(
        fmt::format("--rung: '{}' is none of fentry, kprobe, tracepoint, procfs", text));
  }
  limit = *rung;
  return absl::OkStatus();
}

absl::Status CheckCollector(const RecorderOptions& options) {
  if (options.collector.empty()) {
    if (!options.relay.empty()) {
      return UsageError("--relay passes guests on to --collector, which is not given");
    }
    if (!options.insecure) return absl::OkStatus();
    return UsageError("--insecure is about --collector, which is not given");
  }
  if (options.collector.starts_with(kVsockPrefix)) {
    auto vsock = ParseVsock(options.collector);
    if (!vsock.ok()) return UsageError("--collector: " + Message(vsock.status()));
    if (vsock->cid != 0 && options.insecure) return absl::OkStatus();
    return UsageError(vsock->cid == 0 ? "--collector: vsock:CID:PORT, 2 is the host"
                                      : "--collector: the host passes records on, in the clear; "
                                        "--insecure accepts that");
  }
  auto address = ParseAddress(options.collector);
  if (!address.ok()) return UsageError("--collector: " + Message(address.status()));
  if (address->local || options.insecure) return absl::OkStatus();
  return UsageError(fmt::format(
      "--collector: {} is beyond this machine and this version cannot encrypt; --insecure sends in "
      "the clear",
      options.collector));
}

absl::Status MakeRoom(const std::string& path, bool force) {
  struct stat info {};
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty() && stat(folder.c_str(), &info) != 0) {
    return absl::NotFoundError(ErrnoText("cannot write into " + folder, errno));
  }
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!force) {
    return absl::AlreadyExistsError(
        fmt::format("{} exists already; choose another with -o, or replace it with --force", path));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        fmt::format("{} is not a plain file; --force replaces nothing else", path));
  }
  RemoveIncident(path);
  return absl::OkStatus();
}

absl::Status RunRecord(const RecordArgs& args) {
  RecorderOptions options = args.options;
  if (absl::Status status = ParseRole(args.role, options.agent.roles); !status.ok()) return status;
  if (absl::Status status = CheckCollector(options); !status.ok()) return status;
  if (!args.duration.empty()) {
    auto duration = ParseDuration(args.duration);
    if (!duration.ok()) return UsageError("--duration: " + Message(duration.status()));
    if (*duration <= 0) return UsageError("--duration: must be more than 0");
    options.duration_ns = *duration;
  }
  if (!args.interval.empty()) {
    constexpr int64_t kLeastNs = 10'000'000;
    auto interval = ParseDuration(args.interval);
    if (!interval.ok()) return UsageError("--interval: " + Message(interval.status()));
    if (*interval < kLeastNs) return UsageError("--interval: must be 10ms or more");
    options.agent.snapshot_interval_ns = *interval;
  }
  if (auto wishes = ParseDetailWishes(options.agent.detail); !wishes.ok()) {
    return UsageError("--detail: " + Message(wishes.status()));
  }
  if (absl::Status status = ParseRung(args.rung, options.agent.limit); !status.ok()) return status;
  if (options.agent.limit < Rung::kProcfs) {
    std::string missing = MissingPrivileges(ReadMachine(""));
    if (!missing.empty()) return absl::PermissionDeniedError(missing);
  }
  if (options.agent.name.empty()) options.agent.name = HostName();
  if (options.output.empty()) options.output = DefaultOutput(options.agent.name);
  if (absl::Status status = MakeRoom(options.output, args.force); !status.ok()) return status;
  return RunRecorder(options);
}

}  // namespace

void AddRecord(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "record", "Records this machine's virtio queues into a file, until Ctrl-C or --duration.");
  auto args = std::make_shared<RecordArgs>();
  RecorderOptions& options = args->options;
  command->add_option("-o,--output", options.output, "the file (default: NAME-DATE-TIME.rsi)")
      ->type_name("FILE");
  command->add_option("--duration", args->duration, "stop after 10s, 250ms, 1m (default: Ctrl-C)")
      ->type_name("D");
  command->add_option("--role", args->role, "watch this machine as: auto, host or guest")
      ->type_name("ROLE");
  command
      ->add_option("--rung", args->rung,
                   "use no better hooks than: fentry, kprobe, tracepoint or procfs (no BPF)")
      ->type_name("RUNG");
  command
      ->add_option("--btf", options.agent.btf,
                   "BTF of this kernel, or a folder of RELEASE.btf (default: the kernel's own, "
                   "else built in)")
      ->type_name("FILE|DIR");
  command->add_option("--vm", options.vms, "host: only this VM, by name, UUID, tap or pid")
      ->type_name("VM");
  command
      ->add_option("--detail", options.agent.detail,
                   "events to record one by one: QUEUE[:STAGE,...][>50us|>N][@1/N]; QUEUE is a "
                   "name, a glob or all")
      ->type_name("WISH");
  command->add_option("--collector", options.collector, "send to this collector as well")
      ->type_name("HOST:PORT");
  command
      ->add_option("--relay", options.relay,
                   "host: pass guests that connect to this vsock port on to --collector")
      ->type_name("vsock:PORT");
  command->add_flag("--insecure", options.insecure,
                    "let --collector send in the clear to another machine");
  command->add_option("--name", options.agent.name, "this node's name (default: the host name)")
      ->type_name("N");
  command->add_option("--interval", args->interval, "time between snapshots (default: 100ms)")
      ->type_name("D");
  command
      ->add_option("--ceiling", options.agent.ceiling_percent,
                   "percent of this machine's CPU time that may be spent on it (default 3; 0: any)")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.0, 100.0));
  command->add_flag("--force", args->force, "replace the output file if it exists");
  command->add_flag("-q,--quiet", options.quiet, "no progress, only 'ready' and the end");
  command->footer(
      Examples({"ringside record -o slow.rsi --duration 10s",
                "ringside record --role guest --detail eth0/rx1 --duration 250ms",
                "ringside record --vm vm1 --collector 192.0.2.7:7471 --insecure"}) +
      "\n\nNeeds root, or CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE; with --rung procfs any user "
      "can\nrecord what the kernel's own files say. A line with 'ready' on standard error says "
      "that\ncounting has begun. Ctrl-C ends the recording and closes the file.");
  command->callback([args, &action] { action = [args] { return RunRecord(*args); }; });
}

}  // namespace ringside
