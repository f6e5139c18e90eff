// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/queue_packets.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace {

// linux/netdev.h, which Debian 12's headers do not have yet (fixed by the kernel's interface).
constexpr uint8_t kCommandQstatsGet = 12;
constexpr uint16_t kAttrIfindex = 1;
constexpr uint16_t kAttrQueueType = 2;
constexpr uint16_t kAttrQueueId = 3;
constexpr uint16_t kAttrScope = 4;
constexpr uint16_t kAttrRxPackets = 8;
constexpr uint16_t kAttrTxPackets = 10;
constexpr uint32_t kScopeQueue = 1;
constexpr uint32_t kQueueTypeRx = 0;

using Attributes = std::map<uint16_t, std::span<const char>>;

uint64_t Number(const Attributes& attributes, uint16_t type) {
  const auto found = attributes.find(type);
  uint64_t value = 0;  // unsigned attributes come in 2, 4 or 8 bytes; the machine is little-endian
  if (found != attributes.end()) {
    std::memcpy(&value, found->second.data(), std::min(found->second.size(), sizeof value));
  }
  return value;
}

Attributes ParseAttributes(std::span<const char> bytes) {
  Attributes attributes;
  while (bytes.size() >= NLA_HDRLEN) {
    nlattr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size()) break;
    attributes[header.nla_type & NLA_TYPE_MASK] =
        bytes.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    bytes = bytes.subspan(std::min<size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
  }
  return attributes;
}

class Request {
 public:
  Request(uint16_t family, uint8_t command, uint16_t flags) {
    nlmsghdr header = {};
    header.nlmsg_type = family;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    const genlmsghdr generic = {.cmd = command, .version = 1, .reserved = 0};
    Append(&header, sizeof header);
    Append(&generic, sizeof generic);
  }

  void Add(uint16_t type, const void* data, size_t size) {
    const nlattr header = {.nla_len = static_cast<uint16_t>(NLA_HDRLEN + size), .nla_type = type};
    Append(&header, sizeof header);
    Append(data, size);
    bytes_.resize(NLA_ALIGN(bytes_.size()));
  }

  std::span<const char> Finish() {
    const auto size = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &size, sizeof size);  // nlmsg_len is the first field
    return bytes_;
  }

 private:
  void Append(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }

  std::string bytes_;
};

// Calls take(attributes) for each answer up to the end of the dump or the acknowledgement.
// Returns 0, or an errno value.
int Ask(int fd, Request& request, const std::function<void(const Attributes&)>& take) {
  const auto bytes = request.Finish();
  if (send(fd, bytes.data(), bytes.size(), 0) < 0) return errno;
  static char buffer[65536];
  while (true) {
    const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received < 0) return errno;
    auto rest = std::span<const char>(buffer, static_cast<size_t>(received));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return EBADMSG;
      const auto body = rest.subspan(sizeof header, header.nlmsg_len - sizeof header);
      if (header.nlmsg_type == NLMSG_DONE) return 0;
      if (header.nlmsg_type == NLMSG_ERROR) {
        int error = 0;
        std::memcpy(&error, body.data(), sizeof error);
        return -error;
      }
      take(ParseAttributes(body.subspan(GENL_HDRLEN)));
      rest = rest.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
  }
}

// The number the kernel gave the "netdev" family; 0 if it has none.
uint16_t NetdevFamily(int fd) {
  constexpr std::string_view kName("netdev\0", 7);
  Request request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
  request.Add(CTRL_ATTR_FAMILY_NAME, kName.data(), kName.size());
  uint16_t family = 0;
  (void)Ask(fd, request, [&](const Attributes& answer) {
    family = static_cast<uint16_t>(Number(answer, CTRL_ATTR_FAMILY_ID));
  });
  return family;
}

}  // namespace

int PrintQueuePackets(const char* device) {
  const uint32_t ifindex = if_nametoindex(device);
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  if (ifindex == 0 || fd < 0) {
    std::fprintf(stderr, "ringside-lab-traffic: %s: %s\n", device, std::strerror(errno));
    return 1;
  }
  const uint16_t family = NetdevFamily(fd);
  int error = 0;
  if (family != 0) {
    Request request(family, kCommandQstatsGet, NLM_F_DUMP);
    request.Add(kAttrIfindex, &ifindex, sizeof ifindex);
    request.Add(kAttrScope, &kScopeQueue, sizeof kScopeQueue);
    error = Ask(fd, request, [](const Attributes& queue) {
      const bool rx = Number(queue, kAttrQueueType) == kQueueTypeRx;
      std::printf("%s%" PRIu64 "_packets=%" PRIu64 " ", rx ? "rx" : "tx",
                  Number(queue, kAttrQueueId), Number(queue, rx ? kAttrRxPackets : kAttrTxPackets));
    });
  }
  std::printf("\n");
  close(fd);
  // A kernel without this command, or a driver without these statistics, has nothing to tell.
  if (error == 0 || error == EOPNOTSUPP) return 0;
  std::fprintf(stderr, "ringside-lab-traffic: queue statistics of %s: %s\n", device,
               std::strerror(error));
  return 1;
}
