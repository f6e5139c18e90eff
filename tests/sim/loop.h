// SPDX-License-Identifier: Apache-2.0
// The clock of the simulation: events in the order of their times, equal times in the order in
// which they were made. True time in nanoseconds since the run began; nobody in the model sees it.
#ifndef RINGSIDE_TESTS_SIM_LOOP_H_
#define RINGSIDE_TESTS_SIM_LOOP_H_

#include <cstdint>
#include <queue>
#include <vector>

namespace ringside::sim {

class Actor {
 public:
  virtual ~Actor() = default;
  virtual void On(uint32_t what, uint64_t arg) = 0;
};

class Loop {
 public:
  int64_t now() const { return now_; }
  uint64_t events() const { return events_; }
  void At(int64_t time, Actor* actor, uint32_t what, uint64_t arg = 0) {
    heap_.push({time < now_ ? now_ : time, next_++, actor, arg, what});
  }
  void After(int64_t delay, Actor* actor, uint32_t what, uint64_t arg = 0) {
    At(now_ + delay, actor, what, arg);
  }
  void RunUntil(int64_t end) {
    while (!heap_.empty() && heap_.top().time <= end) {
      const Event event = heap_.top();
      heap_.pop();
      now_ = event.time;
      ++events_;
      event.actor->On(event.what, event.arg);
    }
    now_ = end;
  }

 private:
  struct Event {
    int64_t time;
    uint64_t number;
    Actor* actor;
    uint64_t arg;
    uint32_t what;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };
  std::priority_queue<Event> heap_;
  int64_t now_ = 0;
  uint64_t next_ = 0;
  uint64_t events_ = 0;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_LOOP_H_
