// SPDX-License-Identifier: Apache-2.0
// ringside-collector: takes what agents send and keeps it as incidents.
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "collector/retention.h"
#include "collector/server.h"
#include "proto/clocks.h"
#include "proto/detail_wish.h"

namespace ringside {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitFailure = 4;

void Say(const std::string& line) { std::cerr << "ringside-collector: " + line + "\n"; }

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "collector";
}

// Everything that libraries have to say comes back as a status, or is a hostile agent's noise.
void SilenceLibraries() {
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
}

int Run(const CollectorOptions& options) {
  // Blocked before there are threads: the signals come to sigwait only.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const auto server = CollectorServer::Start(options);
  if (!server.ok()) {
    Say(std::string(server.status().message()));
    return absl::IsInvalidArgument(server.status()) ? kExitUsage : kExitFailure;
  }
  std::cerr << "ready: listening on " + (*server)->address() + ", recording to " +
                   (*server)->file() + "\n";
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  const absl::Status stopped = (*server)->Stop();
  return stopped.ok() ? 0 : kExitFailure;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  using namespace ringside;  // NOLINT: main only
  CLI::App app("Takes what ringside agents send and keeps it as incident files.");
  app.set_version_flag("--version", "ringside-collector " RINGSIDE_VERSION);
  CollectorOptions options;
  options.name = HostName();
  app.add_option("--listen", options.listen, "host:port or unix:/path")->required();
  app.add_option("--store", options.store, "Directory for incident files (made if missing)")
      ->required();
  app.add_flag("--insecure", options.insecure,
               "Allow listening where other machines can connect, in the clear");
  app.add_option("--name", options.name, "Name to show for this collector (default: host name)");
  app.add_option(
         "--keep-bytes", options.keep_bytes,
         "Size of the store, such as 10GB: beyond it the oldest files go (default: no limit)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(kKeepBytesMin, INT64_MAX));
  app.add_option("--keep-age", options.keep_age_ns,
                 "Age of what is in the store, such as 7d: older files go (default: no limit)")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, int64_t>{{"s", 1'000'000'000},
                                                                       {"m", 60'000'000'000},
                                                                       {"h", 3'600'000'000'000},
                                                                       {"d", 86'400'000'000'000}}))
      ->check(CLI::Range(kKeepAgeMin_ns, INT64_MAX));
  app.add_option("--detail", options.detail,
                 "Events every agent shall record one by one: QUEUE[:STAGE,...][>50us|>N][@1/N]");
  app.add_option("--recorder", options.recorder,
                 "Events every agent shall keep for half a minute, and send on a trigger");
  app.footer(
      "Exit codes: 0 stopped by SIGTERM or SIGINT, 2 wrong usage, 4 failure.\n"
      "Example: ringside-collector --listen 127.0.0.1:7700 --store /var/lib/ringside");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    Say(std::string(error.what()) + " (see --help)");
    return kExitUsage;
  }
  if (auto wishes = ParseDetailWishes(options.detail); !wishes.ok()) {
    Say("--detail: " + std::string(wishes.status().message()));
    return kExitUsage;
  }
  SilenceLibraries();
  options.clock = ReadClocks;
  options.log = Say;
  return Run(options);
}
