// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/other_tools.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace ringside {

OtherTool::OtherTool(const std::vector<std::string>& command) : child_(fork()) {
  if (child_ != 0) return;
  if (access("/sys/kernel/tracing/events", R_OK) != 0 && unshare(CLONE_NEWNS) == 0 &&
      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
    mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr);
  }
  if (freopen("/dev/null", "w", stdout) == nullptr) _exit(127);
  if (freopen("/dev/null", "w", stderr) == nullptr) _exit(127);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

bool OtherTool::running() { return child_ > 0 && waitpid(child_, nullptr, WNOHANG) == 0; }

OtherTool::~OtherTool() {
  if (!running()) return;
  kill(child_, SIGTERM);  // SIGINT may be ignored where this runs in the background
  for (int i = 0; i < 50 && running(); ++i) usleep(100'000);
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
}

}  // namespace ringside
