// SPDX-License-Identifier: Apache-2.0
#include "tests/cli/incident_files.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "collector/store/incident_writer.h"
#include "proto/chunk.h"

namespace ringside {
namespace {

constexpr uid_t kNobody = 65534;

class Writer {
 public:
  Writer(const Recording& recording, const std::string& path) {
    auto writer = IncidentWriter::Create(path, recording.recorder);
    EXPECT_TRUE(writer.ok()) << writer.status();
    if (writer.ok()) writer_ = *std::move(writer);
  }

  void Write(const Stream& stream, int events) {
    number_ = 0;
    key_ = stream.hello.key;
    Put(stream.hello);
    for (const QueueInfo& queue : stream.queues) Put(queue);
    for (const Fact& fact : stream.facts) Put(fact);
    for (const Snapshot& snapshot : stream.snapshots) Put(snapshot);
    for (const Mark& mark : stream.marks) Put(Marks{{mark}});
    for (const LogLine& line : stream.log) Put(line);
    if (events > 0) Put(Events(stream, events));
    for (const Gap& gap : stream.gaps) Put(gap);
    for (const ClockExchange& exchange : stream.clocks) Append({0, exchange});
    if (stream.bye) Put(*stream.bye);
  }

  void Close(int64_t real_ns, bool closed) {
    if (writer_ == nullptr) return;
    EXPECT_TRUE(writer_->Commit({.mono_ns = 1, .real_ns = real_ns}).ok());
    if (!closed) return;
    EXPECT_TRUE(writer_->Close().ok());
  }

 private:
  void Put(Record record) { Append({++number_, std::move(record)}); }
  void Append(NumberedRecord record) {
    if (writer_ == nullptr) return;
    absl::Status status = writer_->Append(key_, std::move(record));
    EXPECT_TRUE(status.ok()) << status;
  }

  static EventChunk Events(const Stream& stream, int count) {
    std::vector<Event> events;
    events.reserve(static_cast<size_t>(count));
    const int64_t from_ns = stream.snapshots.front().begin.mono_ns;
    for (int i = 0; i < count; ++i) {
      events.push_back({.mono_ns = from_ns + i * int64_t{1000},
                        .pos = static_cast<uint64_t>(i),
                        .queue = stream.queues.front().id,
                        .kind = static_cast<uint16_t>(EventKind::kGuestIrq),
                        .number = static_cast<uint64_t>(i)});
    }
    auto chunk = EncodeChunk(events, 1);
    EXPECT_TRUE(chunk.ok()) << chunk.status();
    return chunk.ok() ? *std::move(chunk) : EventChunk{};
  }

  std::unique_ptr<IncidentWriter> writer_;
  StreamKey key_;
  uint64_t number_ = 0;
};

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    read_end = ends[0];
    write_end = ends[1];
  }
};

void CloseEnd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// Reads both until both end, so that neither blocks the child.
void ReadBoth(Pipe& out, Pipe& err, const RunOptions& options, pid_t child, RunResult& result) {
  int signal = options.signal_when_ready;
  pollfd ends[] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
  std::string* texts[] = {&result.out, &result.err};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    poll(ends, 2, -1);
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char buffer[65536];
      const bool one_byte = i == 0 && options.reader_goes;
      const ssize_t got = read(ends[i].fd, buffer, one_byte ? 1 : sizeof buffer);
      if (got > 0) texts[i]->append(buffer, static_cast<size_t>(got));
      if (signal != 0 && result.err.find("ready") != std::string::npos) {
        kill(child, std::exchange(signal, 0));
      }
      if (got > 0 && !one_byte) continue;
      close(ends[i].fd);
      ends[i].fd = -1;
    }
  }
}

[[noreturn]] void RunChild(const std::vector<std::string>& arguments, const RunOptions& options,
                           int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  // The child has one thread.
  for (const std::string& variable : options.environment) {
    putenv(strdup(variable.c_str()));  // NOLINT(concurrency-mt-unsafe)
  }
  setenv("TZ", "UTC", 1);  // NOLINT(concurrency-mt-unsafe)
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(97);
  // Opened before root is given up: nobody may not be able to reach the build folder.
  const int binary = open(RINGSIDE_BINARY, O_RDONLY | O_CLOEXEC);
  if (options.as_nobody &&
      (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
    _exit(99);
  }
  std::vector<char*> argv = {strdup("ringside")};
  for (const std::string& argument : arguments) argv.push_back(strdup(argument.c_str()));
  argv.push_back(nullptr);
  fexecve(binary, argv.data(), environ);
  _exit(98);
}

}  // namespace

TestFolder::TestFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "ringside-cli-XXXXXX").string();
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  path_ = name;
}

TestFolder::~TestFolder() { std::filesystem::remove_all(path_); }

void WriteIncident(const Recording& recording, const std::string& path, int events) {
  Writer writer(recording, path);
  for (const Stream& stream : recording.streams) {
    const bool guest = !stream.queues.empty() && stream.queues[0].kind == QueueKind::kGuest;
    writer.Write(stream, guest ? events : 0);
  }
  writer.Close(recording.streams.front().hello.clock.real_ns, recording.closed);
}

RunResult RunRingside(const std::vector<std::string>& arguments, const RunOptions& options) {
  RunResult result;
  Pipe out;
  Pipe err;
  int out_fd = out.write_end;
  if (!options.out_file.empty()) out_fd = open(options.out_file.c_str(), O_WRONLY | O_CLOEXEC);
  const pid_t child = fork();
  if (child == 0) RunChild(arguments, options, out_fd, err.write_end);
  if (out_fd != out.write_end) CloseEnd(out_fd);
  CloseEnd(out.write_end);
  CloseEnd(err.write_end);
  ReadBoth(out, err, options, child, result);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace ringside
