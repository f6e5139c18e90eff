// SPDX-License-Identifier: Apache-2.0
// A guest whose agent lies: it runs like any other, and its records are changed before they leave.
// The kernels, the host and its agent are honest, so the truth is known.
#ifndef RINGSIDE_TESTS_SIM_LIAR_H_
#define RINGSIDE_TESTS_SIM_LIAR_H_

#include <array>
#include <cstdint>

#include "correlate/records.h"

namespace ringside::sim {

enum class Lie : uint8_t {
  kNone,
  kFewer,   // half of its interrupts
  kMore,    // half as many again
  kSpoilt,  // all without work
  kAhead,   // used indices that are 300 further on
  kJump,    // the same, from the middle of its life on
  kStuck,   // from then on nothing moves any more, and the driver waits for an interrupt
  kUuid,    // it is the first VM
  kRings,   // its rings and messages are where others have them
  kWild,    // numbers as large as the wire takes, and back to nothing
};
inline constexpr std::array kLies = {Lie::kFewer, Lie::kMore, Lie::kSpoilt, Lie::kAhead, Lie::kJump,
                                     Lie::kStuck, Lie::kUuid, Lie::kRings,  Lie::kWild};
const char* LieName(Lie lie);

class Liar {
 public:
  explicit Liar(Lie lie) : lie_(lie) {}
  // Changes what the agent says. `late`: it is past the middle of its life.
  void Tell(bool late, Record* record);

 private:
  uint64_t Told(Count count, uint64_t value) const;
  void TellSnapshot(bool late, Snapshot* snapshot);
  void TellMark(bool late, Mark* mark);

  const Lie lie_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_LIAR_H_
