// SPDX-License-Identifier: Apache-2.0
// ringside-lab-traffic: senders and receivers that know exactly what they did.
//
//   udp-send IP PORT COUNT SIZE GAP_US [FLOWS]   COUNT datagrams, round robin over FLOWS sockets
//   udp-recv PORT SECONDS                        receives only, never answers
//   tcp-send IP PORT BYTES                       sends, closes, waits until all of it was taken
//   tcp-recv PORT                                takes one connection until its end
//   queue-packets DEVICE                         the driver's own counts, see queue_packets.h
//   number-eventfds PID GAP_US                   faults.h has this one and those below
//   write-eventfd PID FD COUNT GAP_US
//   hog SECONDS
//   mask-vector SLOT ENTRY 0|1
// Options: --cpu N pins the process, --burst N sleeps GAP_US after every N datagrams only,
// --idle MS ends udp-recv that long after its last datagram, --timeout S bounds waiting for a TCP
// peer, --busy-poll US polls on receive (off by default).
//
// Each prints one line of key=value on standard output when done; receivers print `ready` on
// standard error once their port is open. Exit 0: did what was asked; 1: did not; 2: usage.
// Single-threaded, no state beyond main() but the stop flag.

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/lab/faults.h"
#include "tests/lab/queue_packets.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr size_t kDatagramMax = 65507;
constexpr size_t kFlowsMax = 1024;
constexpr size_t kChunk = 65536;
// A receiver that is scheduled late must not lose datagrams itself.
constexpr int kSocketBufferBytes = 32 << 20;

volatile std::sig_atomic_t g_stop = 0;

struct Options {
  std::vector<std::string_view> positional;
  int cpu = -1;
  int64_t burst = 1;
  int64_t idle_ms = 0;
  int64_t timeout_s = 60;
  int busy_poll_us = 0;
};

int Failed(const char* what) {
  std::fprintf(stderr, "ringside-lab-traffic: %s: %s\n", what, std::strerror(errno));
  return kExitFailed;
}

int Usage(const char* why) {
  std::fprintf(
      stderr,
      "ringside-lab-traffic: %s\n"
      "usage: ringside-lab-traffic udp-send IP PORT COUNT SIZE GAP_US [FLOWS] [--burst N] [--cpu "
      "N]\n"
      "                            udp-recv PORT SECONDS [--idle MS] [--busy-poll US] [--cpu N]\n"
      "                            tcp-send IP PORT BYTES [--timeout S] [--cpu N]\n"
      "                            tcp-recv PORT [--timeout S] [--busy-poll US] [--cpu N]\n"
      "                            queue-packets DEVICE\n"
      "                            number-eventfds PID GAP_US\n"
      "                            write-eventfd PID FD COUNT GAP_US\n"
      "                            hog SECONDS [--cpu N]\n"
      "                            mask-vector SLOT ENTRY 0|1\n",
      why);
  return kExitUsage;
}

std::optional<int64_t> ParseNumber(std::string_view text, int64_t lowest, int64_t highest) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest ||
      value > highest) {
    return std::nullopt;
  }
  return value;
}

// Splits arguments into positional ones and options; false if an option is unknown or its value is
// no number.
bool ParseOptions(std::span<char*> arguments, Options& options) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (!name.starts_with("--")) {
      options.positional.push_back(name);
      continue;
    }
    if (++i == arguments.size()) return false;
    const auto value = ParseNumber(arguments[i], 0, INT32_MAX);
    if (!value) return false;
    if (name == "--cpu") {
      options.cpu = static_cast<int>(*value);
    } else if (name == "--burst") {
      options.burst = std::max<int64_t>(*value, 1);
    } else if (name == "--idle") {
      options.idle_ms = *value;
    } else if (name == "--timeout") {
      options.timeout_s = *value;
    } else if (name == "--busy-poll") {
      options.busy_poll_us = static_cast<int>(*value);
    } else {
      return false;
    }
  }
  return true;
}

std::optional<sockaddr_in> ParseAddress(std::string_view ip, std::string_view port) {
  const auto number = ParseNumber(port, 1, 65535);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  if (!number || inet_pton(AF_INET, ip.data(), &address.sin_addr) != 1) return std::nullopt;
  address.sin_port = htons(static_cast<uint16_t>(*number));
  return address;
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void SetInt(int fd, int level, int option, int value) {
  // Only comfort options come here (buffer sizes, reuse): a refusal changes speed, never a count.
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

void SetReceiveTimeout(int fd, int64_t milliseconds) {
  const timeval value = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
}

int Listen(int type, std::string_view port, const Options& options) {
  const auto address = ParseAddress("0.0.0.0", port);
  if (!address) {
    errno = EINVAL;
    return -1;
  }
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  SetInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  SetInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, kSocketBufferBytes);
  if (options.busy_poll_us > 0) SetInt(fd, SOL_SOCKET, SO_BUSY_POLL, options.busy_poll_us);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0) return -1;
  if (type == SOCK_STREAM && listen(fd, 1) < 0) return -1;
  std::fprintf(stderr, "ready\n");
  return fd;
}

struct Sent {
  int64_t accepted = 0;  // send() took it: it was handed to the device's queue
  int64_t refused = 0;   // ENOBUFS: a queue below dropped it, in the qdisc or in the driver
  int64_t retried =
      0;  // an ICMP error of an earlier datagram came back instead; this one was sent again
};

// One datagram. False on an error that sending again cannot help.
bool SendOne(int fd, const std::vector<char>& payload, Sent& sent) {
  while (g_stop == 0) {
    if (send(fd, payload.data(), payload.size(), 0) >= 0) {
      ++sent.accepted;
      return true;
    }
    if (errno == ENOBUFS) {
      ++sent.refused;
      return true;
    }
    if (errno != ECONNREFUSED && errno != EINTR) return false;
    ++sent.retried;
  }
  return true;
}

int UdpSend(const Options& options) {
  const auto& args = options.positional;
  if (args.size() < 6 || args.size() > 7) return Usage("udp-send takes 5 or 6 arguments");
  const auto address = ParseAddress(args[1], args[2]);
  const auto count = ParseNumber(args[3], 0, INT64_MAX);
  const auto size = ParseNumber(args[4], 0, kDatagramMax);
  const auto gap_us = ParseNumber(args[5], 0, INT32_MAX);
  const auto flows = args.size() == 7 ? ParseNumber(args[6], 1, kFlowsMax) : 1;
  if (!address || !count || !size || !gap_us || !flows) return Usage("udp-send: bad argument");

  std::vector<int> sockets;
  for (int64_t i = 0; i < *flows; ++i) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return Failed("socket");
    // Without it the kernel hides from a UDP sender that a queue below dropped its datagram.
    SetInt(fd, IPPROTO_IP, IP_RECVERR, 1);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0)
      return Failed("connect");
    sockets.push_back(fd);
  }
  const std::vector<char> payload(static_cast<size_t>(*size), 'r');
  Sent sent;
  const auto start = Clock::now();
  for (int64_t i = 0; i < *count && g_stop == 0; ++i) {
    if (!SendOne(sockets[static_cast<size_t>(i % *flows)], payload, sent)) return Failed("send");
    if (*gap_us > 0 && (i + 1) % options.burst == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(*gap_us));
  }
  std::printf("sent=%" PRId64 " refused=%" PRId64 " retried=%" PRId64 " bytes=%" PRId64
              " flows=%" PRId64 " seconds=%.3f\n",
              sent.accepted, sent.refused, sent.retried, sent.accepted * *size, *flows,
              SecondsSince(start));
  return g_stop == 0 ? 0 : kExitFailed;
}

int UdpReceive(const Options& options) {
  const auto& args = options.positional;
  const auto seconds = args.size() == 3 ? ParseNumber(args[2], 1, 86400) : std::nullopt;
  if (!seconds) return Usage("udp-recv takes PORT and SECONDS");
  const int fd = Listen(SOCK_DGRAM, args[1], options);
  if (fd < 0) return Failed("udp-recv");
  SetReceiveTimeout(fd, 100);

  std::vector<char> buffer(kDatagramMax);
  int64_t received = 0;
  int64_t bytes = 0;
  const auto end = Clock::now() + std::chrono::seconds(*seconds);
  auto last = Clock::time_point::max();
  while (g_stop == 0 && Clock::now() < end) {
    const ssize_t length = recv(fd, buffer.data(), buffer.size(), 0);
    if (length >= 0) {
      ++received;
      bytes += length;
      last = Clock::now();
    } else if (errno != EAGAIN && errno != EINTR) {
      return Failed("recv");
    } else if (options.idle_ms > 0 && received > 0 &&
               Clock::now() - last > std::chrono::milliseconds(options.idle_ms)) {
      break;
    }
  }
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t memory_size = sizeof memory;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &memory_size) < 0) return Failed("SO_MEMINFO");
  std::printf("received=%" PRId64 " bytes=%" PRId64 " socket_drops=%u\n", received, bytes,
              memory[SK_MEMINFO_DROPS]);
  return 0;
}

// A connected socket, or -1. The receiver may still be starting: refused connections are tried
// again until the timeout.
int ConnectPatiently(const sockaddr_in& address, int64_t timeout_s) {
  const auto end = Clock::now() + std::chrono::seconds(timeout_s);
  while (g_stop == 0) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    const int error = errno;
    close(fd);
    errno = error;
    if (error != ECONNREFUSED || Clock::now() > end) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return -1;
}

int TcpSend(const Options& options) {
  const auto& args = options.positional;
  if (args.size() != 4) return Usage("tcp-send takes IP, PORT and BYTES");
  const auto address = ParseAddress(args[1], args[2]);
  const auto bytes = ParseNumber(args[3], 0, INT64_MAX);
  if (!address || !bytes) return Usage("tcp-send: bad argument");
  const int fd = ConnectPatiently(*address, options.timeout_s);
  if (fd < 0) return Failed("connect");

  const std::vector<char> payload(kChunk, 'r');
  const auto start = Clock::now();
  int64_t sent = 0;
  while (sent < *bytes && g_stop == 0) {
    const auto wanted = std::min<int64_t>(*bytes - sent, kChunk);
    const ssize_t written = send(fd, payload.data(), static_cast<size_t>(wanted), MSG_NOSIGNAL);
    if (written < 0 && errno != EINTR) return Failed("send");
    sent += std::max<ssize_t>(written, 0);
  }
  if (shutdown(fd, SHUT_WR) < 0) return Failed("shutdown");
  SetReceiveTimeout(fd, options.timeout_s * 1000);
  char rest = 0;
  if (recv(fd, &rest, 1, 0) != 0) return Failed("no end of connection from the receiver");
  tcp_info info = {};
  socklen_t info_size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) < 0) return Failed("TCP_INFO");
  std::printf("bytes=%" PRId64 " retransmits=%u seconds=%.3f\n", sent, info.tcpi_total_retrans,
              SecondsSince(start));
  return sent == *bytes ? 0 : kExitFailed;
}

int TcpReceive(const Options& options) {
  const auto& args = options.positional;
  if (args.size() != 2) return Usage("tcp-recv takes PORT");
  const int listener = Listen(SOCK_STREAM, args[1], options);
  if (listener < 0) return Failed("tcp-recv");
  SetReceiveTimeout(listener, options.timeout_s * 1000);  // bounds accept()
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return Failed("accept");
  SetReceiveTimeout(fd, options.timeout_s * 1000);

  std::vector<char> buffer(kChunk);
  int64_t bytes = 0;
  int64_t reads = 0;
  while (g_stop == 0) {
    const ssize_t length = recv(fd, buffer.data(), buffer.size(), 0);
    if (length == 0) break;
    if (length < 0 && errno != EINTR) return Failed("recv");
    bytes += std::max<ssize_t>(length, 0);
    ++reads;
  }
  std::printf("bytes=%" PRId64 " reads=%" PRId64 "\n", bytes, reads);
  return g_stop == 0 ? 0 : kExitFailed;
}

bool PinTo(int cpu) {
  if (cpu < 0) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

int RunFault(const Options& options) {
  const std::string_view command = options.positional[0];
  std::vector<int64_t> numbers;
  for (const std::string_view text : std::span(options.positional).subspan(1)) {
    int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
      return Usage("not a number");
    }
    numbers.push_back(value);
  }
  const auto number = [&](size_t i) { return static_cast<int>(numbers[i]); };
  if (command == "number-eventfds" && numbers.size() == 2)
    return NumberEventfds(number(0), numbers[1], g_stop);
  if (command == "write-eventfd" && numbers.size() == 4)
    return WriteEventfd(number(0), number(1), numbers[2], numbers[3], g_stop);
  if (command == "hog" && numbers.size() == 1) return Hog(numbers[0], g_stop);
  if (command == "mask-vector" && numbers.size() == 3)
    return MaskVector(number(0), number(1), numbers[2] != 0);
  return Usage("unknown command");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(std::span(argv + 1, static_cast<size_t>(argc - 1)), options))
    return Usage("bad option");
  if (options.positional.empty()) return Usage("what to do?");
  if (!PinTo(options.cpu)) return Failed("--cpu");
  struct sigaction action = {};
  // No SA_RESTART: blocked calls return and the counts get printed.
  action.sa_handler = [](int) { g_stop = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);

  const std::string_view command = options.positional[0];
  if (command == "udp-send") return UdpSend(options);
  if (command == "udp-recv") return UdpReceive(options);
  if (command == "tcp-send") return TcpSend(options);
  if (command == "tcp-recv") return TcpReceive(options);
  if (command == "queue-packets" && options.positional.size() == 2)
    return PrintQueuePackets(options.positional[1].data());
  return RunFault(options);
}
