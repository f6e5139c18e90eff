// SPDX-License-Identifier: Apache-2.0
// One agent's connection: decodes and checks what it says, hands it to the writer, sends back
// acknowledgements and clock probes.
//
// Made by the server for each call; gRPC's threads, the writer thread and the pacer thread call it,
// hence its lock, under which nothing but gRPC is called. It lives until gRPC is done with it and
// the last of the others has let go.
#ifndef RINGSIDE_COLLECTOR_SESSION_H_
#define RINGSIDE_COLLECTOR_SESSION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collector/agent_stream.h"
#include "collector/control.h"
#include "collector/ingest.h"
#include "proto/convert.h"
#include "proto/ringside.pb.h"
#include "proto/sync.h"

namespace ringside {

// What all sessions of a server share; outlives them.
struct SessionContext {
  Ingest* ingest = nullptr;
  Ingest::Clock clock;
  Ingest::Log log;
  std::string name;                // the collector's
  std::function<Wishes()> wishes;  // what a new agent is told to record; may be unset
};

class Session : public IngestPeer, public ControlPeer {
 public:
  // Starts reading. `stream` must live until OnDone has returned; `on_done` is called then, from
  // any thread.
  static std::shared_ptr<Session> Start(const SessionContext& context, AgentStream* stream,
                                        std::function<void(Session*)> on_done);

  // From the pacer thread, often: probes when they are due, ends sessions that say nothing.
  void Tick(int64_t mono_ns);
  // Ends the call: the collector stops, the agent shall come back.
  void Close();

  // From the stream. A read without a message is the end of what the agent has to say.
  void OnRead(const v1::FromAgent* message);
  void OnWritten(bool ok);
  void OnCancel();
  void OnDone();

  void OnWelcome(uint64_t last_number, uint64_t last_hash, bool fresh) override;
  void OnCommitted(uint64_t number) override;
  void OnRefused(const std::string& why) override;
  void OnRoom() override;
  void OnEnded() override;

  void SendWishes(const Wishes& wishes) override;
  void SendTrigger(const Trigger& trigger) override;
  bool welcomed() {
    MutexLock lock(mutex_);
    return welcomed_ && !finish_;
  }

 private:
  Session(const SessionContext& context, AgentStream* stream)
      : context_(context), stream_(*stream) {}

  // Of one message each; what is wrong with it, if anything is.
  absl::Status TakeMessage(const v1::FromAgent& message, const ClockReading& now);
  absl::Status TakeHello(const NumberedRecord& record);
  absl::Status TakeClock(const v1::ClockAnswer& answer, const ClockReading& now);
  absl::Status TakeHeartbeat(const v1::Heartbeat& heartbeat);
  void NoteUnknownNames();
  bool OfferRecord(NumberedRecord record, std::optional<LostAgent> lost = std::nullopt);
  void OfferEnd(const std::string& why);
  void Send(v1::ToAgent message);
  void Finish(const absl::Status& status);
  void Write();

  const SessionContext& context_;
  AgentStream& stream_;  // operations are started under the lock, and none once it is finished
  std::shared_ptr<Session> self_;  // until OnDone
  std::function<void(Session*)> on_done_;

  // Of the reading side: one read at a time.
  StreamDecoder decoder_;
  std::optional<StreamKey> key_;
  bool room_ = true;
  bool names_noted_ = false;
  bool comparable_ = false;  // its fingerprints are ours; before the Hello is offered

  Mutex mutex_;
  v1::ToAgent out_;  // of the write under way
  std::deque<v1::ToAgent> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> ack_ ABSL_GUARDED_BY(mutex_);  // the newest stands for all before it
  std::optional<absl::Status> finish_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, ClockReading> probes_ ABSL_GUARDED_BY(mutex_);  // sent, by id
  int64_t begun_mono_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t heard_mono_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // the collector's clock
  int64_t agent_mono_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // the agent's, when it was heard last
  int64_t next_probe_mono_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t probes_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  bool welcomed_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool end_offered_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_SESSION_H_
