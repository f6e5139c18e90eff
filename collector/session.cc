// SPDX-License-Identifier: Apache-2.0
#include "collector/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "correlate/counts.h"
#include "proto/texts.h"

namespace ringside {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kSilenceMax_ns = 10 * kSecond_ns;  // an agent's heart beats every second
constexpr int64_t kHelloMax_ns = 10 * kSecond_ns;
// Ten quick probes give a first good estimate of the clocks; after that they drift slowly.
constexpr uint64_t kQuickProbes = 10;
constexpr int64_t kQuickProbe_ns = kSecond_ns / 10;
constexpr size_t kProbesOpenMax = 16;

std::string Text(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

// Whether no row of the stream is left out: else its fingerprints are not ours.
bool KnowsAllNames(const v1::Hello& hello) {
  return std::all_of(hello.count_names().begin(), hello.count_names().end(),
                     [](const std::string& name) { return CountByName(name).has_value(); }) &&
         std::all_of(hello.gauge_names().begin(), hello.gauge_names().end(),
                     [](const std::string& name) { return GaugeByName(name).has_value(); });
}

std::optional<LostAgent> LostBy(const v1::FromAgent& message) {
  if (!message.has_gap() || !message.gap().has_lost()) return std::nullopt;
  const v1::LostAgent& in = message.gap().lost();
  LostAgent lost{in.instance(), std::min(in.last_number(), kCountMax),
                 std::min(in.last_event(), kCountMax)};
  CleanText(lost.instance, kNameBytesMax);
  return lost;
}

}  // namespace

std::shared_ptr<Session> Session::Start(const SessionContext& context, AgentStream* stream,
                                        std::function<void(Session*)> on_done) {
  std::shared_ptr<Session> session(new Session(context, stream));
  session->self_ = session;
  session->on_done_ = std::move(on_done);
  MutexLock lock(session->mutex_);
  session->begun_mono_ns_ = session->heard_mono_ns_ = context.clock().mono_ns;
  session->reading_ = true;
  stream->StartRead();
  return session;
}

void Session::OnRead(const v1::FromAgent* message) {
  const ClockReading now = context_.clock();  // first: it ends the exchange of clocks
  {
    MutexLock lock(mutex_);
    reading_ = false;
    heard_mono_ns_ = now.mono_ns;
  }
  if (message == nullptr) {
    OfferEnd("");
    return;
  }
  if (const absl::Status status = TakeMessage(*message, now); !status.ok()) {
    OnRefused(Text(status));
    OfferEnd(Text(status));
    return;
  }
  if (room_) OnRoom();
}

absl::Status Session::TakeMessage(const v1::FromAgent& message, const ClockReading& now) {
  room_ = true;
  if (message.number() == 0 && key_) {
    if (message.has_clock()) return TakeClock(message.clock(), now);
    if (message.has_heartbeat()) return TakeHeartbeat(message.heartbeat());
    if (message.body_case() == v1::FromAgent::BODY_NOT_SET)
      return absl::OkStatus();  // newer than us
  }
  absl::StatusOr<NumberedRecord> record = decoder_.Decode(message);
  if (!record.ok()) return record.status();
  if (!key_) {
    if (absl::Status status = TakeHello(*record); !status.ok()) return status;
    comparable_ = KnowsAllNames(message.hello());
  }
  room_ = OfferRecord(*std::move(record), LostBy(message));
  if (!names_noted_ && decoder_.skipped_rows() > 0) NoteUnknownNames();
  return absl::OkStatus();
}

absl::Status Session::TakeHello(const NumberedRecord& record) {
  const Hello& hello = std::get<Hello>(record.record);
  if (hello.protocol != kProtocol) {
    return absl::FailedPreconditionError(
        fmt::format("agent speaks protocol {}, this collector {}: update the older one",
                    hello.protocol, kProtocol));
  }
  if (record.number != 1) return absl::InvalidArgumentError("a stream's Hello has the number 1");
  key_ = hello.key;
  MutexLock lock(mutex_);
  agent_mono_ns_ = hello.clock.mono_ns;
  return absl::OkStatus();
}

absl::Status Session::TakeClock(const v1::ClockAnswer& answer, const ClockReading& now) {
  const absl::StatusOr<ClockReading> clock = DecodeClock(answer.clock());
  if (!clock.ok()) return clock.status();
  ClockExchange exchange;
  exchange.agent = *clock;
  exchange.collector_after = now;
  {
    MutexLock lock(mutex_);
    const auto probe = probes_.find(answer.id());
    if (probe == probes_.end()) return absl::InvalidArgumentError("an answer to no clock probe");
    exchange.collector_before = probe->second;
    probes_.erase(probes_.begin(), std::next(probe));  // earlier ones are answered before
    agent_mono_ns_ = clock->mono_ns;
  }
  room_ = OfferRecord({0, exchange});
  return absl::OkStatus();
}

absl::Status Session::TakeHeartbeat(const v1::Heartbeat& heartbeat) {
  const absl::StatusOr<ClockReading> clock = DecodeClock(heartbeat.clock());
  if (!clock.ok()) return clock.status();
  MutexLock lock(mutex_);
  agent_mono_ns_ = clock->mono_ns;
  return absl::OkStatus();
}

void Session::NoteUnknownNames() {
  names_noted_ = true;
  std::string what = "this collector does not know, and leaves out, the agent's";
  for (const std::string& name : decoder_.unknown_names()) what += " " + name;
  CleanText(what, kTextBytesMax);
  int64_t agent_mono_ns = 0;
  {
    MutexLock lock(mutex_);
    agent_mono_ns = agent_mono_ns_;
  }
  room_ &= OfferRecord({0, Gap{agent_mono_ns, agent_mono_ns, what}});
}

bool Session::OfferRecord(NumberedRecord record, std::optional<LostAgent> lost) {
  IngestItem item;
  item.lost = std::move(lost);
  item.peer = self_;
  item.key = *key_;
  item.record = std::move(record);
  return context_.ingest->Offer(std::move(item));
}

void Session::OfferEnd(const std::string& why) {
  IngestItem item;
  item.why = why;
  {
    MutexLock lock(mutex_);
    if (std::exchange(end_offered_, true)) return;
    item.last_mono_ns = agent_mono_ns_;
  }
  item.kind = IngestItem::Kind::kEnd;
  item.peer = self_;
  if (key_) item.key = *key_;
  context_.ingest->Offer(std::move(item));
}

// Reads on, unless that is under way or pointless.
void Session::OnRoom() {
  MutexLock lock(mutex_);
  if (reading_ || end_offered_ || finish_) return;
  reading_ = true;
  stream_.StartRead();
}

void Session::OnWelcome(uint64_t last_number, uint64_t last_hash, bool fresh) {
  v1::ToAgent message;
  v1::Welcome* welcome = message.mutable_welcome();
  welcome->set_protocol(kProtocol);
  welcome->set_last_number(last_number);
  welcome->set_collector(context_.name);
  welcome->set_fresh(fresh);
  if (comparable_) welcome->set_last_hash(last_hash);
  Send(std::move(message));
  {
    MutexLock lock(mutex_);
    welcomed_ = true;
  }
  // Once it counts among those who are told of changes: else one in between would be missed.
  if (context_.wishes) SendWishes(context_.wishes());
}

void Session::SendWishes(const Wishes& wishes) {
  v1::ToAgent message;
  EncodeWishes(wishes, message.mutable_detail());
  Send(std::move(message));
}

void Session::SendTrigger(const Trigger& trigger) {
  v1::ToAgent message;
  EncodeTrigger(trigger, message.mutable_trigger());
  Send(std::move(message));
}

void Session::OnCommitted(uint64_t number) {
  {
    MutexLock lock(mutex_);
    ack_ = number;
  }
  Write();
}

void Session::OnRefused(const std::string& why) {
  {
    MutexLock lock(mutex_);
    if (finish_) return;
  }
  context_.log(fmt::format("agent {} refused: {}", key_ ? key_->instance : "of no name", why));
  v1::ToAgent message;
  message.mutable_refusal()->set_why(why);
  Send(std::move(message));
  Finish(absl::FailedPreconditionError(why));
}

void Session::OnEnded() { Finish(absl::OkStatus()); }

void Session::Close() { Finish(absl::UnavailableError("the collector stops")); }

void Session::OnCancel() { Finish(absl::CancelledError("the agent is gone")); }

void Session::Tick(int64_t mono_ns) {
  bool hello_late = false;
  bool silent = false;
  bool probe = false;
  uint64_t id = 0;
  {
    MutexLock lock(mutex_);
    if (finish_) return;
    hello_late =
        !welcomed_ && heard_mono_ns_ == begun_mono_ns_ && mono_ns - begun_mono_ns_ > kHelloMax_ns;
    silent = reading_ && mono_ns - heard_mono_ns_ > kSilenceMax_ns;
    probe = welcomed_ && mono_ns >= next_probe_mono_ns_ && probes_.size() < kProbesOpenMax;
    if (probe) {
      id = ++probes_sent_;
      next_probe_mono_ns_ = mono_ns + (id < kQuickProbes ? kQuickProbe_ns : kSecond_ns);
    }
  }
  if (hello_late || silent) {
    Finish(absl::DeadlineExceededError(hello_late ? "no Hello within 10 s"
                                                  : "nothing heard for 10 s"));
  } else if (probe) {
    v1::ToAgent message;
    message.mutable_probe()->set_id(id);
    Send(std::move(message));
  }
}

void Session::Send(v1::ToAgent message) {
  {
    MutexLock lock(mutex_);
    if (finish_) return;
    queue_.push_back(std::move(message));
  }
  Write();
}

void Session::Finish(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    if (!finish_) finish_ = status;
  }
  Write();
}

// Starts the next write, or ends the call when there is nothing left to write. Any thread.
void Session::Write() {
  MutexLock lock(mutex_);
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    out_ = std::move(queue_.front());
    queue_.pop_front();
  } else if (ack_) {
    out_.mutable_ack()->set_number(*std::exchange(ack_, std::nullopt));
  } else if (finish_) {
    finished_ = true;
    stream_.Finish(*finish_);
    return;
  } else {
    return;
  }
  if (out_.has_probe()) probes_[out_.probe().id()] = context_.clock();
  writing_ = true;
  stream_.StartWrite(&out_);
}

void Session::OnWritten(bool ok) {
  {
    MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) {
      queue_.clear();
      ack_.reset();
      if (!finish_) finish_ = absl::UnavailableError("the agent is gone");
    }
  }
  Write();
}

void Session::OnDone() {
  OfferEnd("");
  on_done_(this);
  self_.reset();  // last: this may be the end of it
}

}  // namespace ringside
