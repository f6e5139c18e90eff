// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer that gRPC hands an object from the thread that starts an operation to the
// one that is called at its end: it does so inside its library, which is not instrumented. Nothing
// in other builds. Used by agent/grpc_call.cc and collector/grpc_server.cc only.
#ifndef RINGSIDE_PROTO_HANDOVER_H_
#define RINGSIDE_PROTO_HANDOVER_H_

#ifdef RINGSIDE_TSAN  // set for these files by CMake, which builds them without instrumentation
extern "C" void __tsan_acquire(void* object);
extern "C" void __tsan_release(void* object);
#endif

namespace ringside {

inline void HandOver([[maybe_unused]] void* object) {
#ifdef RINGSIDE_TSAN
  __tsan_release(object);
#endif
}

inline void TakeOver([[maybe_unused]] void* object) {
#ifdef RINGSIDE_TSAN
  __tsan_acquire(object);
#endif
}

}  // namespace ringside

#endif  // RINGSIDE_PROTO_HANDOVER_H_
