// SPDX-License-Identifier: Apache-2.0
#include "proto/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "proto/ringside.pb.h"
#include "tests/proto/random_records.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

v1::FromAgent Encoded(uint64_t number, Record record) {
  v1::FromAgent message;
  EXPECT_TRUE(EncodeRecord({number, std::move(record)}, &message).ok());
  return message;
}

// A decoder that has had its Hello.
StreamDecoder Greeted() {
  StreamDecoder decoder;
  EXPECT_TRUE(decoder.Decode(Encoded(1, MakeHello("vm1"))).ok());
  return decoder;
}

TEST(ConvertTest, EveryKindComesBackAsItWas) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 20; ++round) {
    StreamDecoder decoder;
    NumberedRecord record{1, RandomHello(random)};
    for (uint64_t number = 1; number < 100; ++number) {
      if (number > 1) record = {number, RandomRecord(random, /*clocks=*/false, number)};
      v1::FromAgent message;
      ASSERT_TRUE(EncodeRecord(record, &message).ok());
      v1::FromAgent received;
      ASSERT_TRUE(received.ParseFromString(message.SerializeAsString()));
      const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(received);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      ASSERT_EQ(*decoded, record) << "kind " << record.record.index();
      EXPECT_EQ(Fingerprint(*decoded), Fingerprint(record));
    }
    EXPECT_EQ(decoder.skipped_rows(), 0u);
  }
}

TEST(ConvertTest, ClockExchangesDoNotTravel) {
  v1::FromAgent message;
  EXPECT_EQ(EncodeRecord({5, ClockExchange{}}, &message).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ConvertTest, NamesOfAnotherBuildAreMappedAndUnknownOnesCounted) {
  StreamDecoder decoder;
  v1::FromAgent hello = Encoded(1, MakeHello("vm1"));
  hello.mutable_hello()->clear_count_names();
  hello.mutable_hello()->clear_gauge_names();
  for (const char* name : {"guest.none", "guest.invented", "guest.irq"}) {
    hello.mutable_hello()->add_count_names(name);
  }
  hello.mutable_hello()->add_gauge_names("ring.invented");
  ASSERT_TRUE(decoder.Decode(hello).ok());
  v1::FromAgent message = Encoded(2, MakeSnapshot(1, true, {}));
  for (uint32_t index = 0; index < 3; ++index) {
    v1::Sample* row = message.mutable_snapshot()->add_samples();
    row->set_queue(1);
    row->set_count(index);
    row->set_lo(10 + index);
  }
  message.mutable_snapshot()->add_gauges()->set_gauge(0);
  const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(message);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const std::vector<Sample> expected = {{QueueId{1}, Count::kGuestNone, HookId{0}, 10, 10},
                                        {QueueId{1}, Count::kGuestIrq, HookId{0}, 12, 12}};
  EXPECT_EQ(std::get<Snapshot>(decoded->record).samples, expected);
  EXPECT_EQ(decoder.skipped_rows(), 2u);
  EXPECT_THAT(decoder.unknown_names(), testing::ElementsAre("guest.invented", "ring.invented"));
}

TEST(ConvertTest, TextsAreCutAndCleanedBeforeTheyAreSent) {
  StreamDecoder decoder = Greeted();
  std::string text = "bad \xff\xfe\x1b[31m end";
  text.append(5000, 'x');
  const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(Encoded(2, LogLine{1, 6, text}));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const std::string& line = std::get<LogLine>(decoded->record).text;
  EXPECT_EQ(line.substr(0, 16), "bad ???[31m endx");
  EXPECT_EQ(line.size(), kTextBytesMax);
}

TEST(ConvertTest, PartsWhoseLabelsBecomeEqualAreAddedUp) {
  StreamDecoder decoder = Greeted();
  Snapshot snapshot = MakeSnapshot(1, true, {});
  const auto part = [](std::string label, uint64_t value) {
    return Part{QueueId{1}, Count::kTunOffered, std::move(label), value};
  };
  snapshot.parts = {part("process=a\x01", 3), part("process=b", 9), part("process=a\x02", 4),
                    part(std::string(kNameBytesMax, 'x') + "1", kCountMax),
                    part(std::string(kNameBytesMax, 'x') + "2", kCountMax)};
  const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(Encoded(2, snapshot));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const std::vector<Part> expected = {part("process=a?", 7), part("process=b", 9),
                                      part(std::string(kNameBytesMax, 'x'), kCountMax)};
  EXPECT_EQ(std::get<Snapshot>(decoded->record).parts, expected);
}

TEST(ConvertTest, MorePartsThanFitAreLeftOut) {
  StreamDecoder decoder = Greeted();
  Snapshot snapshot = MakeSnapshot(1, true, {});
  for (uint64_t i = 0; i < kPartsMax + 5; ++i) {
    snapshot.parts.push_back({QueueId{1}, Count::kTunOffered, std::to_string(i), i});
  }
  const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(Encoded(2, snapshot));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  snapshot.parts.resize(kPartsMax);
  EXPECT_EQ(std::get<Snapshot>(decoded->record).parts, snapshot.parts);
}

TEST(ConvertTest, PartsChangeAFingerprintAndTheirOrderDoesNot) {
  Snapshot snapshot = MakeSnapshot(1, true, {});
  const uint64_t bare = Fingerprint({2, snapshot});
  snapshot.parts = {{QueueId{1}, Count::kTunOffered, "process=a", 3},
                    {QueueId{1}, Count::kTunOffered, "process=b", 4}};
  const uint64_t hash = Fingerprint({2, snapshot});
  EXPECT_NE(hash, bare);
  std::swap(snapshot.parts[0], snapshot.parts[1]);
  EXPECT_EQ(Fingerprint({2, snapshot}), hash);
  std::swap(snapshot.parts[0].value, snapshot.parts[1].value);
  EXPECT_NE(Fingerprint({2, snapshot}), hash);
}

struct Lie {
  const char* name;
  const char* said;                            // part of the refusal
  Record record;                               // a good one,
  std::function<void(v1::FromAgent&)> change;  // and what makes it a lie
};

void Refused(const Lie& lie) {
  SCOPED_TRACE(lie.name);
  StreamDecoder decoder = Greeted();
  v1::FromAgent message = Encoded(2, lie.record);
  StreamDecoder witness = Greeted();
  EXPECT_TRUE(witness.Decode(message).ok());
  lie.change(message);
  const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(message);
  ASSERT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string text(decoded.status().message());
  EXPECT_THAT(text, HasSubstr(lie.said));
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

Snapshot OneSample() {
  return MakeSnapshot(3, true, {{QueueId{1}, Count::kGuestIrq, HookId{1}, 5, 6}});
}

TEST(ConvertTest, RefusesLiesAboutStreams) {
  const Lie lies[] = {
      {"number again", "comes after", OneSample(), [](auto& m) { m.set_number(1); }},
      {"no number", "comes after", OneSample(), [](auto& m) { m.set_number(0); }},
      {"huge number", "out of range", OneSample(), [](auto& m) { m.set_number(UINT64_MAX); }},
      {"no body", "no kind", OneSample(), [](auto& m) { m.clear_body(); }},
      {"numbered heartbeat", "have no number", OneSample(), [](auto& m) { m.mutable_heartbeat(); }},
      {"no machine", "lacks its machine", MakeHello("vm1"),
       [](auto& m) { m.mutable_hello()->clear_machine_id(); }},
      {"roles", "roles", MakeHello("vm1"), [](auto& m) { m.mutable_hello()->set_roles(4); }},
      {"name", "257 bytes", MakeHello("vm1"),
       [](auto& m) { m.mutable_hello()->set_name(std::string(257, 'x')); }},
      {"rung", "rung 6", MakeHello("vm1"),
       [](auto& m) { m.mutable_hello()->mutable_hooks(0)->set_rung(6); }},
      {"hook twice", "comes twice", MakeHello("vm1"),
       [](auto& m) { m.mutable_hello()->mutable_hooks(0)->set_id(2); }},
      {"count names", "names of counts", MakeHello("vm1"),
       [](auto& m) {
         for (size_t i = 0; i < kNamesMax; ++i) m.mutable_hello()->add_count_names();
       }},
      {"clock", "out of range", MakeHello("vm1"),
       [](auto& m) { m.mutable_hello()->mutable_clock()->set_mono_ns(-1); }},
      {"clock width", "wider", MakeHello("vm1"),
       [](auto& m) { m.mutable_hello()->mutable_clock()->set_width_ns(61 * kSecond_ns); }},
      {"queue kind", "queue kind 5", MakeQueue(1, "eth0", "rx0"),
       [](auto& m) { m.mutable_queue()->set_kind(5); }},
      {"ring size", "ring size", MakeQueue(1, "eth0", "rx0"),
       [](auto& m) { m.mutable_queue()->set_ring_size(65537); }},
      {"device", "queue's device", MakeQueue(1, "eth0", "rx0"),
       [](auto& m) { m.mutable_queue()->set_device(std::string(300, 'x')); }},
      {"log level", "log level 8", LogLine{1, 1, "x"},
       [](auto& m) { m.mutable_log()->set_level(8); }},
      {"log line", "log line has 4097", LogLine{1, 1, "x"},
       [](auto& m) { m.mutable_log()->set_text(std::string(4097, 'x')); }},
      {"fact", "fact's value", Fact{1, "x", "y"},
       [](auto& m) { m.mutable_fact()->set_value(std::string(4097, 'x')); }},
      {"gap", "ends before", Gap{1, 2, "x"}, [](auto& m) { m.mutable_gap()->set_to_mono_ns(0); }},
      {"time", "time -5", LogLine{1, 1, "x"}, [](auto& m) { m.mutable_log()->set_mono_ns(-5); }},
  };
  for (const Lie& lie : lies) Refused(lie);
}

TEST(ConvertTest, RefusesLiesAboutCounts) {
  const Lie lies[] = {
      {"sequence", "numbered from 1", OneSample(),
       [](auto& m) { m.mutable_snapshot()->set_sequence(0); }},
      {"folded", "folded", OneSample(), [](auto& m) { m.mutable_snapshot()->set_folded(3); }},
      {"ends early", "ends before", OneSample(),
       [](auto& m) { m.mutable_snapshot()->mutable_end()->set_mono_ns(1); }},
      {"count name", "name 999", OneSample(),
       [](auto& m) { m.mutable_snapshot()->mutable_samples(0)->set_count(999); }},
      {"count", "out of range", OneSample(),
       [](auto& m) { m.mutable_snapshot()->mutable_samples(0)->set_lo(UINT64_MAX); }},
      {"width", "too wide", OneSample(),
       [](auto& m) { m.mutable_snapshot()->mutable_samples(0)->set_width(kCountMax); }},
      {"hook", "hook id", OneSample(),
       [](auto& m) { m.mutable_snapshot()->mutable_samples(0)->set_hook(70000); }},
      {"count twice", "count twice", OneSample(),
       [](auto& m) { *m.mutable_snapshot()->add_samples() = m.snapshot().samples(0); }},
      {"gauge twice", "gauge twice", OneSample(),
       [](auto& m) {
         m.mutable_snapshot()->add_gauges();
         m.mutable_snapshot()->add_gauges();
       }},
      {"part twice", "part twice", OneSample(),
       [](auto& m) {
         m.mutable_snapshot()->add_parts()->set_label("reason=x");
         m.mutable_snapshot()->add_parts()->set_label("reason=x");
       }},
      {"part's count", "name 999", OneSample(),
       [](auto& m) { m.mutable_snapshot()->add_parts()->set_count(999); }},
      {"part's value", "out of range", OneSample(),
       [](auto& m) { m.mutable_snapshot()->add_parts()->set_value(UINT64_MAX); }},
      {"part's label", "part's label has 257", OneSample(),
       [](auto& m) { m.mutable_snapshot()->add_parts()->set_label(std::string(257, 'x')); }},
      {"parts", "parts, at most", OneSample(),
       [](auto& m) {
         for (size_t i = 0; i <= kPartsMax; ++i) {
           m.mutable_snapshot()->add_parts()->set_label(std::to_string(i));
         }
       }},
      {"hook sample twice", "comes twice", OneSample(),
       [](auto& m) {
         m.mutable_snapshot()->add_hooks();
         m.mutable_snapshot()->add_hooks();
       }},
      {"hits", "hits", OneSample(),
       [](auto& m) { m.mutable_snapshot()->add_hooks()->set_hits(UINT64_MAX); }},
      {"samples", "samples, at most", OneSample(),
       [](auto& m) {
         for (size_t i = 0; i <= kSamplesMax; ++i) m.mutable_snapshot()->add_samples();
       }},
      {"queues", "queues", OneSample(),
       [](auto& m) {
         for (uint32_t i = 0; i <= kQueuesMax; ++i) {
           m.mutable_snapshot()->add_samples()->set_queue(i + 10);
         }
       }},
  };
  for (const Lie& lie : lies) Refused(lie);
}

TEST(ConvertTest, RefusesLiesAboutMarksAndEvents) {
  const Marks marks{
      {{QueueId{1}, Domain::kIrq, 0, 0, 5, 1, 2, {{Count::kGuestIrq, HookId{1}, 7}}}}};
  const EventChunk chunk{1, 1, 5, 5, "x"};
  const Lie lies[] = {
      {"domain", "domain 4", marks,
       [](auto& m) { m.mutable_marks()->mutable_marks(0)->set_domain(4); }},
      {"CPU", "CPU 65536", marks,
       [](auto& m) { m.mutable_marks()->mutable_marks(0)->set_cpu(65536); }},
      {"position", "goes back", marks,
       [](auto& m) { m.mutable_marks()->mutable_marks(0)->set_prev(3); }},
      {"mark counts", "counts of a mark", marks,
       [](auto& m) {
         for (size_t i = 0; i < kMarkCountsMax; ++i) {
           m.mutable_marks()->mutable_marks(0)->add_counts()->set_hook(static_cast<uint32_t>(i));
         }
       }},
      {"mark count twice", "count twice", marks,
       [](auto& m) {
         v1::Mark* mark = m.mutable_marks()->mutable_marks(0);
         *mark->add_counts() = mark->counts(0);
       }},
      {"marks", "marks, at most", marks,
       [](auto& m) {
         for (size_t i = 0; i < kMarksMax; ++i) m.mutable_marks()->add_marks();
       }},
      {"no events", "without events", chunk, [](auto& m) { m.mutable_chunk()->set_count(0); }},
      {"event number", "without events", chunk,
       [](auto& m) { m.mutable_chunk()->set_first_number(0); }},
      {"chunk times", "ends before", chunk, [](auto& m) { m.mutable_chunk()->set_to_mono_ns(4); }},
      {"chunk size", "larger", chunk,
       [](auto& m) { m.mutable_chunk()->set_data(std::string(kChunkBytesMax + 1, 'x')); }},
  };
  for (const Lie& lie : lies) Refused(lie);
}

TEST(ConvertTest, TheFirstMessageMustBeAHello) {
  StreamDecoder decoder;
  EXPECT_THAT(std::string(decoder.Decode(Encoded(1, OneSample())).status().message()),
              HasSubstr("does not begin with a Hello"));
}

TEST(ConvertTest, HelloOfAnotherProtocolIsDecoded) {
  Hello hello = MakeHello("vm1");
  hello.protocol = 3;
  StreamDecoder decoder;
  const absl::StatusOr<NumberedRecord> decoded = decoder.Decode(Encoded(1, hello));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(std::get<Hello>(decoded->record).protocol, 3u);
}

TEST(ConvertTest, RandomBytesNeverDoMoreThanBeRefused) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  const google::protobuf::LogSilencer silencer;  // it says so on stderr each time
  for (int round = 0; round < 3000; ++round) {
    StreamDecoder decoder = Greeted();
    std::string bytes =
        Encoded(2, RandomRecord(random, /*clocks=*/false, 1 + random.UpTo(9))).SerializeAsString();
    for (uint64_t flips = 1 + random.UpTo(5); flips > 0 && !bytes.empty(); --flips) {
      bytes[random.UpTo(bytes.size() - 1)] = static_cast<char>(random.UpTo(255));
    }
    v1::FromAgent message;
    if (message.ParseFromString(bytes)) decoder.Decode(message).IgnoreError();
  }
}

TEST(FingerprintTest, DependsOnContentNotOnTheOrderOfRows) {
  Snapshot snapshot = MakeSnapshot(1, true,
                                   {{QueueId{1}, Count::kGuestIrq, HookId{1}, 5, 6},
                                    {QueueId{2}, Count::kGuestIrq, HookId{1}, 7, 7}});
  const uint64_t before = Fingerprint({4, snapshot});
  std::swap(snapshot.samples[0], snapshot.samples[1]);
  EXPECT_EQ(Fingerprint({4, snapshot}), before);
  EXPECT_NE(Fingerprint({5, snapshot}), before);
  std::swap(snapshot.samples[0].hi, snapshot.samples[1].hi);
  EXPECT_NE(Fingerprint({4, snapshot}), before);
  EXPECT_NE(Fingerprint({4, LogLine{}}), Fingerprint({4, Gap{}}));
}

}  // namespace
}  // namespace ringside
