// SPDX-License-Identifier: Apache-2.0
// What an agent leaves behind for the next one if it is killed: how far it had come.
//
// Records that no collector has yet are in the agent's memory and go with it. The lease is a page
// of a file, mapped, that says up to which record and event there were any: kill -9 leaves it as it
// is. The next agent on the same machine and boot, with the same collector, finds it and tells the
// collector, which knows up to where it has them: what lies between is lost, exactly.
//
// A living owner holds a lock on its file, which the kernel lets go however the process ends. A
// normal end removes the file. Nothing of it survives a boot (/run), nothing else is kept there.
//
// One thread at a time (GrpcSink: under its lock).
#ifndef RINGSIDE_AGENT_LEASE_H_
#define RINGSIDE_AGENT_LEASE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "correlate/records.h"

namespace ringside {

// Where leases are, unless told otherwise.
inline constexpr char kLeaseFolder[] = "/run/ringside";
// Agents that were killed since the boot and that no later one has spoken for: one that restarts
// every second without ever reaching its collector. Beyond that the oldest are forgotten.
inline constexpr size_t kLeasesMax = 64;

struct LeasePage;

// How far an agent had come.
struct LeaseState {
  uint64_t number = 0;  // its newest record
  uint64_t event = 0;   // its newest event
  int64_t mono_ns = 0;  // when that was
};

class Lease {
 public:
  // Makes the folder and the file. Fails if the folder cannot be written: then a killed agent's
  // losses are known by their times only.
  static absl::StatusOr<std::unique_ptr<Lease>> Take(const std::string& folder,
                                                     const StreamKey& key,
                                                     const std::string& collector);
  ~Lease();  // leaves the file, for the next agent
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // All of it or nothing of it is seen, whenever the process ends.
  void Note(const LeaseState& state);
  // The agent has ended in order: there is nothing to tell.
  void Remove();

 private:
  Lease(std::string path, int fd, LeasePage* page) : path_(std::move(path)), fd_(fd), page_(page) {}
  const std::string path_;
  const int fd_;
  LeasePage* const page_;
};

// A dead agent's lease, held by us so that no other agent tells of it too.
class Orphan {
 public:
  Orphan(std::string path, int fd, std::string instance, LeaseState state)
      : path_(std::move(path)), fd_(fd), instance_(std::move(instance)), state_(state) {}
  ~Orphan();  // leaves the file
  Orphan(const Orphan&) = delete;
  Orphan& operator=(const Orphan&) = delete;
  const std::string& instance() const { return instance_; }
  const LeaseState& state() const { return state_; }
  void Remove();  // it has been told

 private:
  const std::string path_;
  const int fd_;
  const std::string instance_;
  const LeaseState state_;
};

// Leases in the folder whose owners are dead, for this collector. Files that are none, or another
// machine's or boot's, are removed: their agents can have no records here.
std::vector<std::unique_ptr<Orphan>> FindOrphans(const std::string& folder, const StreamKey& key,
                                                 const std::string& collector);

// What the agent that finds it says of it, in words.
Gap GapOf(const Orphan& orphan, int64_t now_mono_ns);

// This agent's lease and the ones it found, kept in step with its spool.
class Estate {
 public:
  // An empty folder: none of this.
  Estate(std::string folder, std::string collector)
      : folder_(std::move(folder)), collector_(std::move(collector)) {}

  void Begin(const StreamKey& key);
  // One for each agent that was killed, to be put by the caller.
  std::vector<Gap> TakeGaps(int64_t now_mono_ns);
  // After the record has come to where it can be sent.
  void Note(const NumberedRecord& record);
  // The dead agent that this record tells of; null for every other record.
  const Orphan* ToldBy(uint64_t number) const;
  // Records up to and with `number` are with the collector.
  void Acknowledge(uint64_t number);
  // The stream has ended in order, or was given up for another: nothing of it is lost unsaid.
  void End();
  const absl::Status& status() const { return status_; }  // why there is no lease

 private:
  const std::string folder_;
  const std::string collector_;
  std::unique_ptr<Lease> lease_;
  LeaseState state_;
  std::vector<std::unique_ptr<Orphan>> found_;
  std::map<std::string, Orphan*> words_;  // what is said of it, until it is
  std::map<uint64_t, Orphan*> told_;      // by the number of the record that tells of it
  absl::Status status_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_LEASE_H_
