# SPDX-License-Identifier: Apache-2.0
"""Commands into a VM over a virtio-serial port; the other end is vm/server.sh.

Thread-safe: any thread may call run(); one reader thread takes the answers.
"""

import base64
import itertools
import queue
import threading
import time

from .errors import LabError


class Result:
    def __init__(self, code, output):
        self.code = code
        self.output = output


class Channel:
    """One VM's command channel over an already connected socket."""

    def __init__(self, name, sock, check_alive):
        """check_alive() is called while waiting; it raises when the VMs are beyond help."""
        self.name = name
        self.heard = None  # monotonic time of the last line from the VM; None until it is up
        self.greeting = ""
        self._sock = sock
        self._check_alive = check_alive
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
        parts = line.split()
        if len(parts) < 2 or not parts[0].isdigit() or not parts[1].isdigit():
            return  # firmware or kernel noise before the server owns the port
        output = base64.b64decode(parts[2]) if len(parts) > 2 else b""
        self.heard = time.monotonic()
        if parts[0] == b"0":
            self.greeting = output.decode().strip()
            self._up.set()
            return
        with self._lock:
            waiter = self._waiting.pop(int(parts[0]), None)
        if waiter:
            waiter.put(Result(int(parts[1]), output))

    def _send(self, body, waiter=None):
        with self._lock:
            number = next(self._ids)
            if waiter:
                self._waiting[number] = waiter
            try:
                self._sock.sendall(b"%d %s\n" % (number, base64.b64encode(body.encode())))
            except OSError as error:
                raise LabError(f"{self.name}: cannot send a command: {error}") from error

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
        waiter = queue.SimpleQueue()
        self._send(script, waiter)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return waiter.get(timeout=0.5)
            except queue.Empty:
                self._check_alive()
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: no answer within {timeout_s} s to: {script}")

    def run(self, script, timeout_s=60):
        """The output (text) of a bash script that must succeed."""
        result = self.run_raw(script, timeout_s)
        text = result.output.decode(errors="replace")
        if result.code != 0:
            raise LabError(f"{self.name}: exit {result.code} from: {script}\n{text}")
        return text
