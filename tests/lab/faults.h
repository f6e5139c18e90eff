// SPDX-License-Identifier: Apache-2.0
// What the lab does wrong on purpose. Each prints one line of key=value on standard output when
// done; 0: did what was asked, 1: did not. They return early once `stop` is set.
#ifndef RINGSIDE_TESTS_LAB_FAULTS_H_
#define RINGSIDE_TESTS_LAB_FAULTS_H_

#include <csignal>
#include <cstdint>

// Writes once to the newest eventfd of process `pid`, twice to the one before, and so on for 48 of
// them, so that who is at their other ends can be told by the numbers. Prints `fd=N writes=K` for
// each.
int NumberEventfds(int pid, int64_t gap_us, const volatile std::sig_atomic_t& stop);

// Takes descriptor `fd` out of process `pid` and writes 1 to it `count` times.
int WriteEventfd(int pid, int fd, int64_t count, int64_t gap_us,
                 const volatile std::sig_atomic_t& stop);

// Spins at real-time priority: nothing ordinary runs on this CPU meanwhile.
int Hog(int64_t seconds, const volatile std::sig_atomic_t& stop);

// Sets (or clears) the mask bit of one entry in the MSI-X table of the PCI device 0000:00:SLOT.0,
// behind its driver's back.
int MaskVector(int slot, int entry, bool masked);

#endif  // RINGSIDE_TESTS_LAB_FAULTS_H_
