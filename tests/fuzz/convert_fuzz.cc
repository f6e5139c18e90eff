// SPDX-License-Identifier: Apache-2.0
// One message after a Hello: what is accepted must come through the wire again unchanged.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>

#include "proto/convert.h"
#include "proto/ringside.pb.h"
#include "tests/fuzz/fuzz.h"
#include "tests/proto/random_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringside;  // NOLINT: this function only
  static const google::protobuf::LogSilencer silencer;
  v1::FromAgent hello;
  v1::FromAgent message;
  if (!EncodeRecord({1, MakeHello("vm1")}, &hello).ok()) std::abort();
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  StreamDecoder decoder;
  if (!decoder.Decode(hello).ok()) std::abort();
  const absl::StatusOr<NumberedRecord> record = decoder.Decode(message);
  if (!record.ok()) return 0;
  StreamDecoder second;
  v1::FromAgent again;
  if (!EncodeRecord(*record, &again).ok() || !second.Decode(hello).ok()) std::abort();
  const absl::StatusOr<NumberedRecord> copy = second.Decode(again);
  if (!copy.ok() || *copy != *record || Fingerprint(*copy) != Fingerprint(*record)) std::abort();
  return 0;
}

namespace ringside {

std::vector<std::string> FuzzSeeds() {
  Random random(1);
  std::vector<std::string> seeds;
  for (uint64_t number = 2; number < 60; ++number) {
    v1::FromAgent message;
    if (!EncodeRecord({number, RandomRecord(random, false, number)}, &message).ok()) std::abort();
    seeds.push_back(message.SerializeAsString());
  }
  v1::FromAgent hello;
  if (!EncodeRecord({9, RandomHello(random)}, &hello).ok()) std::abort();
  seeds.push_back(hello.SerializeAsString());
  return seeds;
}

void FuzzReseal(std::string&) {}

}  // namespace ringside
