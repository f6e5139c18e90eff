// SPDX-License-Identifier: Apache-2.0
#include "proto/watch.h"

#include "proto/ringside.pb.h"
#include "proto/texts.h"

namespace ringside {
namespace {

constexpr int64_t kTimeMax_ns = int64_t{1} << 62;

std::string Name(std::string text) {
  CleanText(text, kWatchNameBytesMax);
  return text;
}

std::string Text(std::string text) {
  CleanText(text, kWatchTextBytesMax);
  return text;
}

bool IsTime(int64_t real_ns) { return real_ns >= 0 && real_ns <= kTimeMax_ns; }

void Encode(const WatchVerdict& verdict, v1::WatchEvent* message) {
  v1::WatchVerdict* out = message->mutable_verdict();
  out->set_at_real_ns(verdict.at_real_ns);
  out->set_queue(Name(verdict.queue));
  out->set_host_queue(Name(verdict.host_queue));
  out->set_verdict(Name(verdict.verdict));
  out->set_before(Name(verdict.before));
  out->set_why(Text(verdict.why));
}

void Encode(const WatchFinding& finding, v1::WatchEvent* message) {
  v1::WatchFinding* out = message->mutable_finding();
  out->set_at_real_ns(finding.at_real_ns);
  out->set_step(Name(finding.step));
  out->set_id(Name(finding.id));
  out->set_queue(Name(finding.queue));
  out->set_host_queue(Name(finding.host_queue));
  out->set_root(finding.root);
  out->set_certainty(Name(finding.certainty));
  out->set_since_real_ns(finding.since_real_ns);
  out->set_title(Text(finding.title));
  if (finding.detail.size() <= kWatchDetailBytesMax) out->set_detail(finding.detail);
}

void Encode(const WatchPresent& present, v1::WatchEvent* message) {
  v1::WatchPresent* out = message->mutable_present();
  out->set_collector(Name(present.collector));
  out->set_queues(present.queues);
  out->set_findings(present.findings);
}

void Encode(const WatchBeat&, v1::WatchEvent* message) { message->mutable_beat(); }

absl::StatusOr<WatchEvent> Decode(const v1::WatchVerdict& in) {
  if (!IsTime(in.at_real_ns())) return absl::InvalidArgumentError("a verdict of no time");
  return WatchVerdict{in.at_real_ns(),    Name(in.queue()),  Name(in.host_queue()),
                      Name(in.verdict()), Name(in.before()), Text(in.why())};
}

absl::StatusOr<WatchEvent> Decode(const v1::WatchFinding& in) {
  if (!IsTime(in.at_real_ns()) || !IsTime(in.since_real_ns())) {
    return absl::InvalidArgumentError("a finding of no time");
  }
  if (in.detail().size() > kWatchDetailBytesMax) {
    return absl::InvalidArgumentError("a finding larger than any");
  }
  std::string detail = in.detail();
  CleanText(detail, kWatchDetailBytesMax);
  return WatchFinding{in.at_real_ns(),      Name(in.step()),       Name(in.id()),
                      Name(in.queue()),     Name(in.host_queue()), in.root(),
                      Name(in.certainty()), in.since_real_ns(),    Text(in.title()),
                      std::move(detail)};
}

}  // namespace

void EncodeWatch(const WatchEvent& event, v1::WatchEvent* message) {
  message->Clear();
  std::visit([message](const auto& body) { Encode(body, message); }, event);
}

absl::StatusOr<WatchEvent> DecodeWatch(const v1::WatchEvent& message) {
  switch (message.body_case()) {
    case v1::WatchEvent::kVerdict: return Decode(message.verdict());
    case v1::WatchEvent::kFinding: return Decode(message.finding());
    case v1::WatchEvent::kPresent:
      return WatchPresent{Name(message.present().collector()), message.present().queues(),
                          message.present().findings()};
    case v1::WatchEvent::kBeat:
    case v1::WatchEvent::BODY_NOT_SET: break;
  }
  return WatchBeat{};
}

}  // namespace ringside
