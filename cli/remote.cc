// SPDX-License-Identifier: Apache-2.0
#include "cli/remote.h"

#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <utility>

#include "cli/command.h"
#include "cli/fetch_call.h"
#include "cli/format.h"
#include "cli/open.h"
#include "cli/terminal.h"
#include "collector/store/incident_copy.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLongFetch = 16 * kMiB;  // below it is over before one could read of it
// Snapshots around the window come with it; what else its ends need is within the next ones.
constexpr int64_t kAround_ns = 1'000'000'000;

bool Exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

// A time of the window as the collector's REALTIME; 0 where it takes the whole to know.
absl::StatusOr<int64_t> TimeOf(const std::string& text, const char* option, int64_t around_ns) {
  if (text.empty() || text.front() == '+') return 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const absl::StatusOr<int64_t> time =
      ParseTime(text, std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  if (!time.ok()) return UsageError(fmt::format("{}: {}", option, Message(time.status())));
  return *time + around_ns;
}

absl::StatusOr<std::unique_ptr<TemporaryIncident>> Fetch(const std::string& incident,
                                                         const Address& address,
                                                         const FetchArgs& args) {
  const absl::StatusOr<int64_t> from_ns = TimeOf(args.from, "--from", -kAround_ns);
  if (!from_ns.ok()) return from_ns.status();
  const absl::StatusOr<int64_t> to_ns = TimeOf(args.to, "--to", kAround_ns);
  if (!to_ns.ok()) return to_ns.status();
  absl::StatusOr<std::unique_ptr<TemporaryIncident>> file = TemporaryIncident::Create();
  if (!file.ok()) return file;
  std::ofstream out((*file)->path(), std::ios::binary);
  uint64_t got = 0;
  uint64_t shown = 0;
  absl::Status status =
      FetchPieces(address, *from_ns, *to_ns, [&](std::string_view piece, uint64_t total) {
        out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
        got += piece.size();
        if (total >= kLongFetch && got - shown >= kLongFetch && StderrIsTerminal()) {
          shown = got;
          WriteError(fmt::format("\rfetching {} of {} MiB", got / kMiB, total / kMiB));
        }
        return out.good() ? absl::OkStatus()
                          : absl::ResourceExhaustedError("no room for the temporary copy");
      });
  out.close();
  if (shown > 0) WriteError("\n");
  if (status.ok() && got == 0) status = absl::UnavailableError("it sent nothing");
  if (!status.ok()) {
    return absl::Status(status.code(), fmt::format("{}: {}", incident, Message(status)));
  }
  return file;
}

}  // namespace

absl::StatusOr<std::string> LocalIncident(const std::string& incident, const FetchArgs& args) {
  static std::map<std::string, std::unique_ptr<TemporaryIncident>> fetched;
  const auto known = fetched.find(incident);
  if (known != fetched.end()) return known->second->path();
  const absl::StatusOr<Address> address = ParseAddress(incident);
  if (Exists(incident) || !address.ok()) {
    if (absl::Status status = CheckExists(incident); !status.ok()) return status;
    return incident;
  }
  if (!address->local && !args.insecure) {
    return UsageError(fmt::format(
        "{} is beyond this machine and this version cannot encrypt; --insecure reads in the clear",
        incident));
  }
  absl::StatusOr<std::unique_ptr<TemporaryIncident>> file = Fetch(incident, *address, args);
  if (!file.ok()) return file.status();
  return (fetched[incident] = *std::move(file))->path();
}

}  // namespace ringside
