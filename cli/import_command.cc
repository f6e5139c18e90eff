// SPDX-License-Identifier: Apache-2.0
// `ringside import FILE --node vm1 -o C.rsi [--merge A.rsi]`.
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/claims/claim_file.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/open.h"
#include "cli/terminal.h"
#include "cli/witness/witness_records.h"
#include "cli/witness/witness_text.h"
#include "collector/store/incident_copy.h"
#include "collector/store/incident_reader.h"
#include "collector/store/incident_writer.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct ImportArgs {
  std::string input;
  std::string node;
  std::string clock_bound;
  std::vector<std::string> taps;
  std::vector<std::string> merge;
  std::string output;
};

constexpr size_t kProblemsShown = 20;

// FNV-1a: the same text is the same stream, on every machine.
uint64_t HashOf(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

absl::Status ReadOptions(const ImportArgs& args, WitnessOptions* options) {
  options->node = args.node;
  if (!args.clock_bound.empty()) {
    const absl::StatusOr<int64_t> bound = ParseDuration(args.clock_bound);
    if (!bound.ok()) return AsUsageError(bound.status());
    options->clock_bound_ns = *bound;
  }
  for (const std::string& pair : args.taps) {
    const size_t equal = pair.find('=');
    if (equal == std::string::npos || equal == 0 || equal + 1 == pair.size()) {
      return UsageError("--tap wants GUEST-DEVICE=TAP, as eth0=tap0, not '" + pair + "'");
    }
    options->host_devices[pair.substr(0, equal)] = pair.substr(equal + 1);
  }
  return absl::OkStatus();
}

void SayProblems(const WitnessText& witness) {
  for (size_t i = 0; i < witness.problems.size() && i < kProblemsShown; ++i) {
    const ClaimProblem& problem = witness.problems[i];
    const std::string place =
        problem.line > 0 ? fmt::format("{}:{}", problem.file, problem.line) : problem.file;
    SayError(Printable(place + ": " + problem.text));
  }
  if (witness.problems.size() > kProblemsShown) {
    SayError(fmt::format("and {} more", witness.problems.size() - kProblemsShown));
  }
}

absl::Status Write(const std::vector<Record>& records, const std::string& path) {
  const Hello& hello = std::get<Hello>(records.front());
  absl::StatusOr<std::unique_ptr<IncidentWriter>> writer = IncidentWriter::Create(path, hello.name);
  if (!writer.ok()) return writer.status();
  // No recorder's clock: the file's times are the guest's, with their bound.
  const Bye& bye = std::get<Bye>(records.back());
  Recording about;
  about.closed = about.merged = true;
  about.real_from_ns = hello.clock.real_ns;
  about.real_to_ns = hello.clock.real_ns + bye.clock.mono_ns - hello.clock.mono_ns;
  (*writer)->SetCopied(about);
  uint64_t number = 0;
  for (const Record& record : records) {
    absl::Status status = (*writer)->Append(hello.key, {++number, record});
    if (!status.ok()) return status;
  }
  return (*writer)->Close();
}

// Into the file itself, or beside it and then joined with the others.
absl::Status WriteAndMerge(const ImportArgs& args, const std::vector<Record>& records) {
  if (args.merge.empty()) return Write(records, args.output);
  if (access(args.output.c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(args.output + ": exists, and is not overwritten");
  }
  const std::string part = fmt::format("{}.{}.part", args.output, getpid());
  absl::Status status = Write(records, part);
  if (status.ok()) {
    std::vector<std::string> inputs = args.merge;
    inputs.push_back(part);
    status = MergeIncidents(inputs, args.output);
  }
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((part + suffix).c_str());
  return status;
}

absl::Status RunImport(const ImportArgs& args) {
  WitnessOptions options;
  if (absl::Status status = ReadOptions(args, &options); !status.ok()) return status;
  for (const std::string& other : args.merge) {
    if (absl::Status status = CheckExists(other); !status.ok()) return status;
  }
  absl::StatusOr<std::string> text = ReadClaimText(args.input);
  if (!text.ok()) return text.status();
  if (text->size() > kWitnessTextMax) {
    return absl::InvalidArgumentError(fmt::format("{}: {} is more than a witness writes ({})",
                                                  args.input, BytesText(text->size()),
                                                  BytesText(kWitnessTextMax)));
  }
  options.text_hash = HashOf(*text);
  WitnessText witness = ParseWitness(*std::move(text), args.input);
  const absl::StatusOr<std::vector<Record>> records = WitnessRecords(options, args.input, &witness);
  SayProblems(witness);
  if (!records.ok()) return records.status();
  if (absl::Status status = WriteAndMerge(args, *records); !status.ok()) return status;
  SayError(fmt::format("ringside: imported {} readings of {}; next: ringside {}",
                       witness.readings.size(), std::get<Hello>(records->front()).name,
                       args.output));
  return absl::OkStatus();
}

}  // namespace

void AddImport(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "import", "Takes the text of deploy/witness, written in a guest without an agent.");
  auto args = std::make_shared<ImportArgs>();
  command->add_option("FILE", args->input, "what witness.sh or witness.ps1 printed")
      ->required()
      ->type_name("");
  command->add_option("-o,--output", args->output, "the incident to make; it must not exist")
      ->required()
      ->type_name("FILE");
  command->add_option("--node", args->node, "the guest's name, best as its host calls it")
      ->type_name("NAME");
  command->add_option("--merge", args->merge, "an incident of the host, joined with it; repeatable")
      ->type_name("INCIDENT");
  command
      ->add_option("--clock-bound", args->clock_bound,
                   "how far the guest's clock may be off the host's (50ms)")
      ->type_name("D");
  command
      ->add_option("--tap", args->taps,
                   "which tap is behind a device of the guest (eth0=tap0); repeatable")
      ->type_name("DEVICE=TAP");
  command->footer(
      Examples({"ringside import witness.txt --node vm1 -o guest.rsi",
                "ringside import witness.txt --node vm1 --clock-bound 50ms --merge host.rsi -o "
                "both.rsi"}));
  command->callback([args, &action] { action = [args] { return RunImport(*args); }; });
}

}  // namespace ringside
