// SPDX-License-Identifier: Apache-2.0
#include "agent/byte_relay.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// After sys/socket.h, which it needs and does not include.
#include <linux/vm_sockets.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/address.h"

namespace ringside {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Bytes from one socket to the other.
struct Way {
  std::vector<char> buffer;
  size_t begin = 0;
  size_t end = 0;
  bool ended = false;  // the sender has ended
  bool shut = false;   // and the receiver was told
  bool empty() const { return begin == end; }
};

struct Pair {
  int fd[2] = {-1, -1};  // [0] who asked, [1] whom we connected to
  Way way[2];            // [i]: from fd[i]
  uint32_t peer = 0;     // the asking guest's CID; 0: none
  bool connecting = false;
  SteadyClock::time_point deadline = SteadyClock::time_point::max();
  bool dead = false;
};

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// Reads what there is room for; false if the socket is broken.
bool Fill(int fd, Way* way) {
  if (way->ended || !way->empty()) return true;
  if (way->buffer.empty()) way->buffer.resize(kRelayBuffer);
  const ssize_t n = recv(fd, way->buffer.data(), way->buffer.size(), 0);
  if (n < 0) return WouldBlock();
  way->begin = 0;
  way->end = static_cast<size_t>(n);
  way->ended = n == 0;
  return true;
}

bool Drain(int fd, Way* way) {
  while (!way->empty()) {
    const ssize_t n =
        send(fd, way->buffer.data() + way->begin, way->end - way->begin, MSG_NOSIGNAL);
    if (n < 0) return WouldBlock();
    way->begin += static_cast<size_t>(n);
  }
  if (way->ended && !way->shut) {
    shutdown(fd, SHUT_WR);
    way->shut = true;
  }
  return true;
}

}  // namespace

class ByteRelay::Impl {
 public:
  Impl(int listener, RelayConnect connect, int wake)
      : listener_(listener), connect_(std::move(connect)), wake_(wake) {
    thread_ = std::thread([this] { Work(); });
  }
  ~Impl();
  int Open();
  RelayTotals totals() const { return {accepted_, refused_, open_}; }

 private:
  void Work();
  void Wait();
  void TakeOpened();
  void Accept();
  void Add(int fd, uint32_t peer);
  void Serve(Pair* pair, short events0, short events1);
  void Connected(Pair* pair, short events);
  bool Full(uint32_t peer) const;

  const int listener_;
  const RelayConnect connect_;
  const int wake_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> accepted_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<uint64_t> open_ = 0;
  std::mutex mutex_;
  std::vector<int> opened_;  // guarded by mutex_: not yet taken by the thread
  std::list<Pair> pairs_;    // the thread's own
  std::thread thread_;       // last: it uses all of the above
};

ByteRelay::Impl::~Impl() {
  stop_ = true;
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
  thread_.join();
  for (const Pair& pair : pairs_) {
    for (const int fd : pair.fd) {
      if (fd >= 0) close(fd);
    }
  }
  for (const int fd : opened_) close(fd);
  if (listener_ >= 0) close(listener_);
  close(wake_);
}

int ByteRelay::Impl::Open() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    opened_.push_back(ends[1]);
  }
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
  return ends[0];
}

bool ByteRelay::Impl::Full(uint32_t peer) const {
  if (pairs_.size() >= kRelayPairsMax) return true;
  const auto same = std::count_if(pairs_.begin(), pairs_.end(), [peer](const Pair& pair) {
    return peer != 0 && pair.peer == peer;
  });
  return static_cast<size_t>(same) >= kRelayPairsMaxPerPeer;
}

void ByteRelay::Impl::Add(int fd, uint32_t peer) {
  const int other = Full(peer) ? -1 : connect_();
  if (other < 0) {
    ++refused_;
    close(fd);
    return;
  }
  ++accepted_;
  Pair pair;
  pair.fd[0] = fd;
  pair.fd[1] = other;
  pair.peer = peer;
  pair.connecting = true;
  pair.deadline = SteadyClock::now() + std::chrono::milliseconds(kRelayConnectMs);
  pairs_.push_back(std::move(pair));
}

void ByteRelay::Impl::TakeOpened() {
  uint64_t ignored = 0;
  (void)!read(wake_, &ignored, sizeof(ignored));
  std::vector<int> opened;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    opened.swap(opened_);
  }
  for (const int fd : opened) Add(fd, 0);
}

void ByteRelay::Impl::Accept() {
  sockaddr_vm peer{};
  socklen_t size = sizeof(peer);
  const int fd =
      accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    // Out of descriptors: what waits stays ready, so do not spin on it.
    if (!WouldBlock()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return;
  }
  Add(fd, peer.svm_family == AF_VSOCK ? peer.svm_cid : 0);
}

void ByteRelay::Impl::Connected(Pair* pair, short events) {
  if (events == 0) return;
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(pair->fd[1], SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    pair->dead = true;
    return;
  }
  pair->connecting = false;
  pair->deadline = SteadyClock::time_point::max();
}

void ByteRelay::Impl::Serve(Pair* pair, short events0, short events1) {
  if (pair->connecting) Connected(pair, events1);
  if (pair->connecting || pair->dead) return;
  const short events[2] = {events0, events1};
  for (int i = 0; i < 2; ++i) {
    Way& way = pair->way[i];
    if ((events[i] & (POLLIN | POLLHUP | POLLERR)) && !Fill(pair->fd[i], &way)) pair->dead = true;
    if (!pair->dead && !Drain(pair->fd[1 - i], &way)) pair->dead = true;
  }
  if (pair->way[0].shut && pair->way[1].shut) pair->dead = true;
  const bool half = pair->way[0].ended || pair->way[1].ended;
  if (half && pair->deadline == SteadyClock::time_point::max()) {
    pair->deadline = SteadyClock::now() + std::chrono::milliseconds(kRelayLingerMs);
  }
}

void ByteRelay::Impl::Wait() {
  std::vector<pollfd> fds = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
  for (const Pair& pair : pairs_) {
    for (int i = 0; i < 2; ++i) {
      short events = 0;
      if (pair.connecting) {
        events = i == 1 ? POLLOUT : 0;
      } else {
        if (pair.way[i].empty() && !pair.way[i].ended) events |= POLLIN;
        if (!pair.way[1 - i].empty()) events |= POLLOUT;
      }
      // A negative descriptor is not looked at: an ended side would report its end for ever.
      fds.push_back({events == 0 ? -1 : pair.fd[i], events, 0});
    }
  }
  constexpr int kLookMs = 200;  // for deadlines
  if (poll(fds.data(), fds.size(), pairs_.empty() ? -1 : kLookMs) < 0) return;
  size_t at = 2;
  const auto now = SteadyClock::now();
  for (Pair& pair : pairs_) {
    Serve(&pair, fds[at].revents, fds[at + 1].revents);
    at += 2;
    if (now >= pair.deadline) pair.dead = true;
  }
  if (fds[0].revents != 0) TakeOpened();
  if (fds[1].revents != 0) Accept();
}

void ByteRelay::Impl::Work() {
  while (!stop_) {
    Wait();
    for (auto pair = pairs_.begin(); pair != pairs_.end();) {
      if (!pair->dead) {
        ++pair;
        continue;
      }
      for (const int fd : pair->fd) close(fd);
      pair = pairs_.erase(pair);
    }
    open_ = pairs_.size();
  }
}

ByteRelay::ByteRelay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ByteRelay::~ByteRelay() = default;
int ByteRelay::Open() { return impl_->Open(); }
RelayTotals ByteRelay::totals() const { return impl_->totals(); }

absl::StatusOr<std::unique_ptr<ByteRelay>> ByteRelay::Start(int listener, RelayConnect connect) {
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake < 0) {
    if (listener >= 0) close(listener);
    return absl::ResourceExhaustedError(absl::StrCat("eventfd: ", std::strerror(errno)));
  }
  return std::unique_ptr<ByteRelay>(
      new ByteRelay(std::make_unique<Impl>(listener, std::move(connect), wake)));
}

namespace {

int StartConnect(int family, const sockaddr* address, socklen_t size) {
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, address, size) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

sockaddr_vm SocketAddress(uint32_t cid, uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

}  // namespace

RelayConnect ConnectVsock(uint32_t cid, uint32_t port) {
  return [cid, port] {
    const sockaddr_vm address = SocketAddress(cid, port);
    return StartConnect(AF_VSOCK, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  };
}

absl::StatusOr<RelayConnect> ConnectVsock(const std::string& address) {
  const absl::StatusOr<VsockAddress> vsock = ParseVsock(address);
  if (!vsock.ok()) return vsock.status();
  if (vsock->cid == 0) {
    return absl::InvalidArgumentError(absl::StrCat(address, ": a CID is missing, 2 is the host"));
  }
  return ConnectVsock(vsock->cid, vsock->port);
}

absl::StatusOr<int> ListenVsock(uint32_t port) {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = SocketAddress(VMADDR_CID_ANY, port);
  constexpr int kBacklog = 16;
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(fd, kBacklog) == 0) {
    return fd;
  }
  const std::string why = std::strerror(errno);
  if (fd >= 0) close(fd);
  return absl::UnavailableError(
      absl::StrCat("vsock port ", port, ": ", why, " (a host needs the module vhost_vsock)"));
}

RelayConnect ConnectStream(const std::string& host, const std::string& port,
                           const std::string& unix_path) {
  return [host, port, unix_path] {
    if (!unix_path.empty()) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      unix_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
      return StartConnect(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
    int fd = -1;
    for (const addrinfo* one = found; one != nullptr && fd < 0; one = one->ai_next) {
      fd = StartConnect(one->ai_family, one->ai_addr, one->ai_addrlen);
    }
    freeaddrinfo(found);
    return fd;
  };
}

absl::StatusOr<std::unique_ptr<ByteRelay>> StartRelay(const std::string& listen,
                                                      const std::string& collector) {
  const absl::StatusOr<VsockAddress> at = ParseVsock(listen);
  if (!at.ok()) return at.status();
  if (at->cid != 0) {
    return absl::InvalidArgumentError(absl::StrCat(listen, ": a relay listens at vsock:PORT"));
  }
  const absl::StatusOr<Address> to = ParseAddress(collector);
  if (!to.ok()) return to.status();
  const size_t colon = collector.rfind(':');
  std::string host = to->unix_path.empty() ? collector.substr(0, colon) : "";
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  const absl::StatusOr<int> listener = ListenVsock(at->port);
  if (!listener.ok()) return listener.status();
  return ByteRelay::Start(*listener,
                          ConnectStream(host, collector.substr(colon + 1), to->unix_path));
}

}  // namespace ringside
