// SPDX-License-Identifier: Apache-2.0
#include "agent/lease.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "proto/clocks.h"

namespace ringside {

namespace fs = std::filesystem;

// The file. Texts end with a zero. States are written in turn; `newest` says which one is whole.
struct LeasePage {
  static constexpr std::array<char, 8> kMagic = {'R', 'S', 'l', 'e', 'a', 's', 'e', '1'};
  std::array<char, 8> magic;
  std::array<char, 72> machine_id;
  std::array<char, 72> boot_id;
  std::array<char, 72> instance;
  std::array<char, 512> collector;
  std::array<LeaseState, 2> states;
  std::atomic<uint64_t> newest;
};

namespace {

constexpr size_t kPageBytes = 4096;
static_assert(sizeof(LeasePage) <= kPageBytes);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

template <size_t N>
bool SetText(std::array<char, N>& to, const std::string& from) {
  if (from.size() >= N) return false;
  std::memcpy(to.data(), from.c_str(), from.size() + 1);
  return true;
}

template <size_t N>
std::string TextOf(const std::array<char, N>& text) {
  return {text.data(), strnlen(text.data(), N)};
}

// Not flock: that would belong to children as well, and outlive us with them.
bool Lock(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(fd, F_SETLK, &lock) == 0;
}

LeasePage* Map(int fd) {
  void* at = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? nullptr : static_cast<LeasePage*>(at);
}

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(fmt::format("{}: {}", path, std::strerror(errno)));
}

struct Found {
  StreamKey key;
  std::string collector;
  LeaseState state;
};

// Nothing if the file is no lease.
std::optional<Found> ReadLease(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || info.st_size != kPageBytes) return std::nullopt;
  LeasePage* page = Map(fd);
  if (page == nullptr) return std::nullopt;
  std::optional<Found> found;
  if (page->magic == LeasePage::kMagic && page->newest < page->states.size()) {
    found = Found{{TextOf(page->machine_id), TextOf(page->boot_id), TextOf(page->instance)},
                  TextOf(page->collector),
                  page->states[page->newest]};
  }
  munmap(page, kPageBytes);
  return found;
}

std::vector<fs::path> LeaseFiles(const std::string& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != ".lease") continue;
    files.emplace_back(at->last_write_time(error), at->path());
  }
  std::sort(files.begin(), files.end());
  std::vector<fs::path> paths;
  for (auto& [time, path] : files) paths.push_back(std::move(path));
  return paths;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Lease>> Lease::Take(const std::string& folder, const StreamKey& key,
                                                   const std::string& collector) {
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return Failed(folder);
  const std::string path = fmt::format("{}/{}.lease", folder, key.instance);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Failed(path);
  LeasePage* page = nullptr;
  if (Lock(fd) && ftruncate(fd, kPageBytes) == 0) page = Map(fd);
  const bool fits = page != nullptr && SetText(page->machine_id, key.machine_id) &&
                    SetText(page->boot_id, key.boot_id) && SetText(page->instance, key.instance) &&
                    SetText(page->collector, collector);
  if (!fits) {
    const absl::Status status =
        page == nullptr ? Failed(path) : absl::UnavailableError(path + ": a name is too long");
    if (page != nullptr) munmap(page, kPageBytes);
    unlink(path.c_str());
    close(fd);
    return status;
  }
  page->magic = LeasePage::kMagic;
  return std::unique_ptr<Lease>(new Lease(path, fd, page));
}

Lease::~Lease() {
  munmap(page_, kPageBytes);
  close(fd_);
}

void Lease::Note(const LeaseState& state) {
  const uint64_t next = 1 - page_->newest.load(std::memory_order_relaxed);
  page_->states[next] = state;
  page_->newest.store(next, std::memory_order_release);
}

void Lease::Remove() { unlink(path_.c_str()); }

Orphan::~Orphan() { close(fd_); }
void Orphan::Remove() { unlink(path_.c_str()); }

std::vector<std::unique_ptr<Orphan>> FindOrphans(const std::string& folder, const StreamKey& key,
                                                 const std::string& collector) {
  std::vector<std::unique_ptr<Orphan>> orphans;
  const std::vector<fs::path> files = LeaseFiles(folder);
  size_t surplus = files.size() > kLeasesMax ? files.size() - kLeasesMax : 0;
  for (const fs::path& path : files) {
    if (path.stem() == key.instance) continue;  // our own: closing it would give up its lock
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    const std::optional<Found> found = Lock(fd) ? ReadLease(fd) : std::nullopt;
    const bool ours =
        found && found->key.machine_id == key.machine_id && found->key.boot_id == key.boot_id;
    if (ours && found->collector == collector && surplus == 0) {
      orphans.push_back(std::make_unique<Orphan>(path, fd, found->key.instance, found->state));
      continue;
    }
    // A lock that was refused: its owner lives.
    if (Lock(fd) && (!ours || surplus > 0)) unlink(path.c_str());
    if (surplus > 0) --surplus;
    close(fd);
  }
  return orphans;
}

Gap GapOf(const Orphan& orphan, int64_t now_mono_ns) {
  const LeaseState& state = orphan.state();
  Gap gap;
  gap.from_mono_ns = std::min(state.mono_ns, now_mono_ns);
  gap.to_mono_ns = now_mono_ns;
  gap.what = fmt::format(
      "the agent {} was killed after its record {} and its event {}; nothing was watched until the "
      "next one",
      orphan.instance(), state.number, state.event);
  return gap;
}

void Estate::Begin(const StreamKey& key) {
  if (folder_.empty() || lease_ != nullptr) return;
  auto lease = Lease::Take(folder_, key, collector_);
  status_ = lease.status();
  if (lease.ok()) lease_ = *std::move(lease);
  found_ = FindOrphans(folder_, key, collector_);
}

std::vector<Gap> Estate::TakeGaps(int64_t now_mono_ns) {
  std::vector<Gap> gaps;
  for (const auto& orphan : found_) {
    gaps.push_back(GapOf(*orphan, now_mono_ns));
    words_[gaps.back().what] = orphan.get();
  }
  return gaps;
}

void Estate::Note(const NumberedRecord& record) {
  if (const auto* chunk = std::get_if<EventChunk>(&record.record)) {
    state_.event = std::max(state_.event, chunk->first_number + chunk->count - 1);
  } else if (const auto* gap = std::get_if<Gap>(&record.record)) {
    const auto said = words_.find(gap->what);
    if (said != words_.end()) told_[record.number] = said->second;
    if (said != words_.end()) words_.erase(said);
  }
  state_.number = record.number;
  state_.mono_ns = MonotonicNs();
  if (lease_ != nullptr) lease_->Note(state_);
}

const Orphan* Estate::ToldBy(uint64_t number) const {
  const auto told = told_.find(number);
  return told == told_.end() ? nullptr : told->second;
}

void Estate::Acknowledge(uint64_t number) {
  while (!told_.empty() && told_.begin()->first <= number) {
    Orphan* orphan = told_.begin()->second;
    orphan->Remove();
    told_.erase(told_.begin());
    std::erase_if(found_, [&](const auto& found) { return found.get() == orphan; });
  }
}

void Estate::End() {
  if (lease_ != nullptr) lease_->Remove();
  lease_.reset();
}

}  // namespace ringside
