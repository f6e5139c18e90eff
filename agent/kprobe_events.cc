// SPDX-License-Identifier: Apache-2.0
#include "agent/kprobe_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/kernel_files.h"
#include "bpf/events.h"

namespace ringside {
namespace {

constexpr char kGroup[] = "ringside";
// Calls of a hooked function that may be under way at once (each sleeps at most in a page fault):
// one per vhost worker, of which there are at most as many as slots. The kernel's own default is
// less, and kernels before 6.0 do not say what went beyond it.
constexpr int kCallsMax = RS_MAX_SLOTS;
// Closing the last descriptor frees a probe a little later.
constexpr int kRemoveTries = 100;
constexpr timespec kRemovePause{.tv_sec = 0, .tv_nsec = 10'000'000};

// The part of the kernel's bpf_link_info that tells of a kprobe's losses; newer than this libbpf's
// header. A kernel that does not know it fills in less.
struct KprobeLinkInfo {
  uint32_t type;
  uint32_t id;
  uint32_t program_id;
  uint32_t pad0;
  uint32_t event_type;  // perf_event.type
  uint32_t pad1;
  uint64_t name;
  uint32_t name_size;
  uint32_t offset;
  uint64_t address;
  uint64_t missed;
};

std::string TracefsFolder() {
  for (const char* folder : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    if (access(absl::StrCat(folder, "/kprobe_events").c_str(), W_OK) == 0) return folder;
  }
  return {};
}

// One command to kprobe_events. Only calls that a child of a threaded process may make.
bool Command(const char* path, const char* text, size_t size) {
  const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);  // O_TRUNC would remove everybody's
  if (fd < 0) return false;
  const bool done = write(fd, text, size) == static_cast<ssize_t>(size);
  const int error = errno;
  close(fd);
  errno = error;
  return done;
}

void Remove(const char* path, const char* command, size_t size) {
  for (int i = 0; i < kRemoveTries; ++i) {
    if (Command(path, command, size) || errno != EBUSY) return;
    nanosleep(&kRemovePause, nullptr);
  }
}

// Every definition of group ringside whose name ends in `suffix`. Fixed memory: see Command.
void RemoveAll(const char* path, const char* suffix) {
  static char text[64 << 10];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  size_t size = 0;
  for (ssize_t n; size < sizeof(text) - 1; size += static_cast<size_t>(n)) {
    n = read(fd, text + size, sizeof(text) - 1 - size);
    if (n <= 0) break;
  }
  close(fd);
  text[size] = 0;
  // "p:ringside/host_tun_entry_k_812_0 tun_net_xmit"
  for (char* line = text; line != nullptr && *line != 0;) {
    char* next = strchr(line, '\n');
    if (next != nullptr) *next++ = 0;
    char* name = strchr(line, ':');
    char* end = name == nullptr ? nullptr : strchr(name, ' ');
    if (end != nullptr) {
      *end = 0;
      const size_t length = static_cast<size_t>(end - name);
      const size_t tail = strlen(suffix);
      if (strncmp(name + 1, "ringside/", 9) == 0 && length > tail &&
          strcmp(end - tail, suffix) == 0) {
        *(name - 1) = '-';  // "-:ringside/..." (the letter, or the last digit of "r1024")
        Remove(path, name - 1, length + 1);
      }
    }
    line = next;
  }
}

// Definitions of agents that were killed together with the child that would have removed them.
void RemoveStale(const std::string& path) {
  std::istringstream lines(ReadText(path));
  for (std::string line; std::getline(lines, line);) {
    const std::string event = OwnKprobeEvent(line);
    const pid_t maker = MakerOfKprobeEvent(event);
    if (maker <= 0 || kill(maker, 0) == 0 || errno != ESRCH) continue;
    const std::string remove = absl::StrCat("-:", kGroup, "/", event);
    Command(path.c_str(), remove.data(), remove.size());  // refused while anybody uses it
  }
}

[[noreturn]] void WaitAndRemove(int until_closed, const char* path, const char* suffix) {
  prctl(PR_SET_NAME, "ringside-after");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
    std::signal(signal, SIG_IGN);
  }
  setsid();
  // What the maker has open must end with the maker: programs, maps, files, sockets.
  dup2(until_closed, 0);
  if (syscall(SYS_close_range, 1, ~0u, 0) != 0) {
    for (int fd = 1; fd < 65536; ++fd) close(fd);
  }
  char byte;
  while (read(0, &byte, 1) < 0 && errno == EINTR) {
  }
  RemoveAll(path, suffix);
  _exit(0);
}

int OpenEvent(const std::string& folder, const std::string& event) {
  const std::string id = ReadText(absl::StrCat(folder, "/events/", kGroup, "/", event, "/id"));
  if (id.empty()) return -1;
  perf_event_attr attr{};
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.size = sizeof(attr);
  attr.config = strtoull(id.c_str(), nullptr, 10);
  // Programs run on every CPU, whichever the event is opened for.
  return static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

std::optional<uint64_t> KprobeMissed(const bpf_link* link) {
  KprobeLinkInfo info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_link__fd(link), reinterpret_cast<bpf_link_info*>(&info), &size) !=
          0 ||
      size < sizeof(info)) {
    return std::nullopt;
  }
  return info.missed;
}

std::string OwnKprobeEvent(const std::string& line) {
  const std::string group = absl::StrCat(":", kGroup, "/");
  const size_t begin = line.find(group);
  const size_t end = line.find(' ');
  if (begin == std::string::npos || end == std::string::npos || end < begin + group.size()) {
    return {};
  }
  return line.substr(begin + group.size(), end - begin - group.size());
}

pid_t MakerOfKprobeEvent(const std::string& event) {
  const size_t number = event.rfind('_');
  const size_t pid =
      number == std::string::npos || number == 0 ? std::string::npos : event.rfind('_', number - 1);
  int maker = 0;
  if (pid == std::string::npos ||
      !absl::SimpleAtoi(event.substr(pid + 1, number - pid - 1), &maker)) {
    return 0;
  }
  return maker;
}

std::map<std::string, uint64_t> ParseKprobeProfile(const std::string& text) {
  std::map<std::string, uint64_t> calls;
  std::istringstream lines(text);
  std::string event;
  uint64_t hits = 0;
  uint64_t missed = 0;
  while (lines >> event >> hits >> missed) calls[event] = hits + missed;
  return calls;
}

bool KprobeEvents::StartUndertaker() {
  static std::atomic<int> number{0};
  folder_ = TracefsFolder();
  if (folder_.empty()) return false;
  suffix_ = absl::StrCat("_", getpid(), "_", number++);
  const std::string path = folder_ + "/kprobe_events";
  RemoveStale(path);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  undertaker_ = fork();
  if (undertaker_ == 0) WaitAndRemove(ends[0], path.c_str(), suffix_.c_str());
  close(ends[0]);
  alive_ = ends[1];
  return undertaker_ > 0;
}

bpf_link* KprobeEvents::Attach(bpf_program* program) {
  if (undertaker_ < 0 && !StartUndertaker()) return nullptr;
  const std::string section = bpf_program__section_name(program);
  const size_t slash = section.find('/');
  if (slash == std::string::npos) return nullptr;
  const std::string kind =
      section.substr(0, slash) == "kretprobe" ? absl::StrCat("r", kCallsMax) : std::string("p");
  const std::string event = bpf_program__name(program) + suffix_;
  const std::string path = folder_ + "/kprobe_events";
  const std::string define =
      absl::StrCat(kind, ":", kGroup, "/", event, " ", section.substr(slash + 1), "\n");
  if (!Command(path.c_str(), define.data(), define.size())) return nullptr;
  const int fd = OpenEvent(folder_, event);
  bpf_link* link = fd < 0 ? nullptr : bpf_program__attach_perf_event(program, fd);
  if (link != nullptr) {
    events_[event] = bpf_program__name(program);
    return link;
  }
  if (fd >= 0) close(fd);
  const std::string remove = absl::StrCat("-:", kGroup, "/", event);
  Remove(path.c_str(), remove.data(), remove.size());
  return nullptr;
}

std::map<std::string, uint64_t> KprobeEvents::ReadCalls() const {
  std::map<std::string, uint64_t> calls;
  if (events_.empty()) return calls;
  const auto profile = ParseKprobeProfile(ReadText(folder_ + "/kprobe_profile"));
  for (const auto& [event, program] : events_) {
    const auto found = profile.find(event);
    if (found != profile.end()) calls[program] = found->second;
  }
  return calls;
}

KprobeEvents::~KprobeEvents() {
  if (undertaker_ <= 0) return;
  close(alive_);  // the one who removes
  while (waitpid(undertaker_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace ringside
