// SPDX-License-Identifier: Apache-2.0
// Between the agents' connections and the incident file: a bounded queue and the one thread that
// writes.
//
//   session --Offer--> queue --writer thread--> IncidentWriter --Commit--> session: acknowledge
//
// Sessions offer from gRPC's threads and are called back from the writer thread, never with a lock
// held. When more waits than the bound, Offer says so and the session stops reading until OnRoom:
// its agent's spool takes over from there. If the disk is full, the writer keeps what it has and
// tries again; nothing is acknowledged meanwhile.
#ifndef RINGSIDE_COLLECTOR_INGEST_H_
#define RINGSIDE_COLLECTOR_INGEST_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "collector/retention.h"
#include "collector/store/incident_reader.h"
#include "collector/store/incident_writer.h"
#include "correlate/records.h"
#include "proto/sync.h"

namespace ringside {

// A quarter of a second at the pace one writer thread keeps up with; and the 4 MiB of one message
// for each of sixteen agents.
inline constexpr size_t kIngestBytesMax = size_t{64} << 20;

// An agent's connection, as the writer sees it.
class IngestPeer {
 public:
  virtual ~IngestPeer() = default;
  // Its Hello is committed, and everything of its stream up to `last_number`, whose fingerprint is
  // `last_hash` (0: not known). `fresh`: the present file had nothing of the stream before.
  virtual void OnWelcome(uint64_t last_number, uint64_t last_hash, bool fresh) = 0;
  virtual void OnCommitted(uint64_t number) = 0;
  // Nothing of it is taken any more.
  virtual void OnRefused(const std::string& why) = 0;
  // There is room again; once for each Offer that gave false.
  virtual void OnRoom() = 0;
  // Its last record is dealt with.
  virtual void OnEnded() = 0;
};

// Hears what the store has taken. Called from the writer thread, which it must not hold up.
class IngestListener {
 public:
  virtual ~IngestListener() = default;
  virtual void OnRecord(const StreamKey& key, const NumberedRecord& record) = 0;
  virtual void OnEnd(const StreamKey& key) = 0;
};

// An agent that was killed: how far it had come, as the next one on its machine says.
struct LostAgent {
  std::string instance;
  uint64_t last_number = 0;
  uint64_t last_event = 0;
};

struct IngestItem {
  enum class Kind { kRecord, kEnd };
  Kind kind = Kind::kRecord;
  std::shared_ptr<IngestPeer> peer;
  StreamKey key;                  // of kRecord: a stream's Hello (number 1) claims it for this peer
  NumberedRecord record;          // number 0: the collector's own addition
  std::optional<LostAgent> lost;  // of a Gap that tells of one
  // Of kEnd: the agent's clock when it was heard last, and why the collector ended it, if it did.
  int64_t last_mono_ns = 0;
  std::string why;
};

class Ingest {
 public:
  using Clock = std::function<ClockReading()>;
  using Log = std::function<void(const std::string& line)>;

  // Makes the next file of the store.
  using NextFile = std::function<absl::StatusOr<std::unique_ptr<IncidentWriter>>(int64_t real_ns)>;
  // From then on the store goes on in new files, and old ones are removed, as `retention` says.
  // Before anything is offered.
  void KeepWithin(Retention retention, NextFile next_file);

  // `earlier`: what the store's older files have of each stream. `listener` may be null.
  Ingest(std::unique_ptr<IncidentWriter> writer, std::map<StreamKey, CommittedStream> earlier,
         Clock clock, Log log, IngestListener* listener = nullptr);
  ~Ingest();

  // Takes the item, also where there is no room. False: stop reading until OnRoom, which does not
  // come any more after Stop.
  bool Offer(IngestItem item);
  // To be stored with the next commit. False: too many wait for a disk that is full, or it has
  // stopped; not taken.
  bool Offer(EvaluationChange change);
  // Writes what was offered before, acknowledges it, closes the file. Agents that end from now on
  // are not lost. Idempotent.
  absl::Status Stop();

 private:
  struct Stream {
    std::shared_ptr<IngestPeer> peer;  // the connection that speaks for it now
    std::string name;
    uint64_t acknowledged = 0;
    uint64_t taken = 0;  // newest number that was appended
    bool said_bye = false;
    bool welcomed = false;
    bool fresh = false;
  };

  void Run();
  void Wait() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False if the item must be tried again later.
  bool Handle(IngestItem& item);
  bool HandleHello(IngestItem& item);
  void HandleLost(const IngestItem& item);
  void NoteEvents(const StreamKey& key, const Record& record);
  void HandleEnd(const IngestItem& item);
  bool Append(const IngestItem& item, absl::Status& status);
  void AppendChanges(std::vector<EvaluationChange> changes);
  void Commit();
  void GiveRoom();
  void Rotate();
  absl::Status MoveTo(std::unique_ptr<IncidentWriter> next, const ClockReading& now);
  void Trim(const Retention& retention, int64_t now_real_ns);
  void Acknowledge();

  std::unique_ptr<IncidentWriter> writer_;        // of the writer thread
  std::map<StreamKey, CommittedStream> earlier_;  // likewise, once it runs
  const Clock clock_;
  const Log log_;
  IngestListener* const listener_;

  // Of the writer thread:
  std::map<StreamKey, Stream> streams_;
  std::map<StreamKey, uint64_t> events_;  // newest of each stream that was taken
  std::set<StreamKey> killed_;            // streams that another agent has spoken for
  std::deque<IngestItem> work_;
  // Told after the next commit; with a key, its stream's last acknowledgement before.
  std::vector<std::pair<std::shared_ptr<IngestPeer>, std::optional<StreamKey>>> ended_;
  bool commit_now_ = false;
  bool failing_ = false;
  bool changes_full_ = false;  // the file takes no more of them
  int64_t begun_real_ns_ = 0;  // the file
  bool rotation_failed_ = false;
  int64_t last_commit_mono_ns_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::deque<IngestItem> queue_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of the queue and of what the writer has taken
  std::optional<std::pair<Retention, NextFile>> keep_ ABSL_GUARDED_BY(mutex_);
  std::vector<EvaluationChange> changes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<IngestPeer>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status result_;  // of the last commit and of closing; read after the thread has ended
  std::thread thread_;   // last: it uses all of the above
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_INGEST_H_
