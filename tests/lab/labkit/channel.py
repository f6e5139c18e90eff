# SPDX-License-Identifier: Apache-2.0
"""Commands into a VM over a virtio-serial port; the other end is vm/server.sh.

Thread-safe: any thread may call run(); one reader thread takes the answers.
"""

import itertools
import queue
import re
import threading
import time

from .errors import LabError

# After this time without an answer, look what runs there. The look is a cure too: the emulation
# can lose the interrupt of a 9p request, which then waits until another request's arrives.
LOOK_S = 20
LOOK = "ps -eo pid,ppid,stat,wchan:24,args | grep -v ' \\['"


def _escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)


def _processes(looked):
    """The answer to LOOK, if it came."""
    try:
        return looked.get(timeout=1).output
    except queue.Empty:
        return "no answer to ps either"


class Result:
    """output is text without trailing newlines."""

    def __init__(self, code, output):
        self.code = code
        self.output = output


class Channel:
    """One VM's command channel over an already connected socket."""

    def __init__(self, name, sock, check_alive, log, patience=1):
        """check_alive() is called while waiting; it raises when the VMs are beyond help.

        patience: times the usual, for slow emulations.
        """
        self.name = name
        self.heard = None  # monotonic time of the last line from the VM; None until it is up
        self.greeting = ""
        self._sock = sock
        self._check_alive = check_alive
        self._log = log
        self._patience = patience
        self._ids = itertools.count(1)
        self._waiting = {}
        self._lock = threading.Lock()
        self._up = threading.Event()
        threading.Thread(target=self._read, name=f"{name}-channel", daemon=True).start()

    def _read(self):
        try:
            for line in self._sock.makefile("rb"):
                self._answer(line)
        except OSError:
            pass  # QEMU is gone: check_alive tells why

    def _answer(self, line):
        parts = line.decode(errors="replace").rstrip("\n").split(" ", 2)
        if len(parts) < 2 or not parts[0].isdigit() or not parts[1].isdigit():
            return  # not from the server
        output = _unescape(parts[2]) if len(parts) > 2 else ""
        self.heard = time.monotonic()
        if parts[0] == "0":
            self.greeting = output
            self._up.set()
            return
        with self._lock:
            waiter = self._waiting.pop(int(parts[0]), None)
        if waiter:
            waiter.put(Result(int(parts[1]), output))

    def _send(self, body, waiter=None):
        try:
            with self._lock:
                number = next(self._ids)
                if waiter:
                    self._waiting[number] = waiter
                self._sock.sendall(f"{number} {_escape(body)}\n".encode())
        except OSError as error:
            time.sleep(1)  # QEMU is going: let it, so that the reason can be told
            self._check_alive()
            raise LabError(f"{self.name}: cannot send a command: {error}") from error

    def expect_boot(self):
        """The VM goes down on purpose: its silence is no fault until it is up again."""
        self._up.clear()
        self.heard = None

    def wait_up(self, timeout_s):
        deadline = time.monotonic() + timeout_s
        while not self._up.wait(0.2):
            self._check_alive()
            if time.monotonic() > deadline:
                return False
        return True

    def ping(self):
        """Ask for a sign of life; the answer shows in `heard`."""
        self._send("")

    def run_raw(self, script, timeout_s=60):
        """Run a bash script and return its Result, whatever its exit code."""
        timeout_s *= self._patience
        waiter = queue.SimpleQueue()
        self._send(script, waiter)
        start = time.monotonic()
        looked = None
        while True:
            try:
                result = waiter.get(timeout=0.5)
                if looked:
                    self._report_stall(looked, time.monotonic() - start)
                return result
            except queue.Empty:
                self._check_alive()
            waited_s = time.monotonic() - start
            if waited_s > LOOK_S and looked is None:
                looked = queue.SimpleQueue()
                self._send(LOOK, looked)
            if waited_s > timeout_s:
                raise LabError(f"{self.name}: no answer within {timeout_s} s to: {script}\n"
                               f"{_processes(looked)}")

    def _report_stall(self, looked, waited_s):
        """A command that took long: worth a line if a process hung in the kernel meanwhile."""
        hung = [p for p in _processes(looked).splitlines() if p.split()[2:3] == ["D"]]
        if hung:
            self._log(f"{self.name}: a command took {waited_s:.0f} s; hung: {'; '.join(hung)}")

    def run(self, script, timeout_s=60):
        """The output (text) of a bash script that must succeed."""
        result = self.run_raw(script, timeout_s)
        if result.code != 0:
            raise LabError(f"{self.name}: exit {result.code} from: {script}\n{result.output}")
        return result.output
