# SPDX-License-Identifier: Apache-2.0
"""The programs under test, and the disk: started, ended, killed, halted, filled."""
import os
import signal
import subprocess
import time

START_S = 30
STOP_S = 90  # an agent may have a minute's worth to say


class Player:
    """One program that is started again and again."""

    def __init__(self, name, work):
        self.name = name
        self.log = os.path.join(work, name + ".log")
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.log, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with open(self.log, "rb") as log:
                log.seek(at)
                if b"ready" in log.read():
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not start: {self.last_words()}")

    def last_words(self):
        with open(self.log, "rb") as log:
            return log.read()[-600:].decode(errors="replace")

    def revive(self):
        """Starts it again if it ended by itself, which is for the verdict to judge."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended: {self.last_words()}")
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_S)
        if code != 0:
            raise RuntimeError(f"{self.name} ended with {code}: {self.last_words()}")

    def halt(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)


class Collector(Player):
    def __init__(self, build, work, store):
        super().__init__("collector", work)
        self.build = build
        self.store = store
        self.socket = os.path.join(work, "c.sock")

    def command(self):
        return [f"{self.build}/collector/ringside-collector", "--listen", f"unix:{self.socket}",
                "--store", self.store, "--name", "box"]


class LoadAgent(Player):
    """A load that is known: what it makes is in its ledger."""

    def __init__(self, build, work, socket, lease, name, spool_kib, events, rng,
                 tick_ms=10):
        super().__init__(name, work)
        self.build = build
        self.socket = socket
        self.lease = lease
        self.spool_kib = spool_kib
        self.events = events
        self.tick_ms = tick_ms
        self.random = rng
        self.ledger = os.path.join(work, name + ".ledger")

    def command(self):
        return [f"{self.build}/tests/fault/ringside-load-agent", "--collector",
                f"unix:{self.socket}", "--ledger", self.ledger, "--lease-dir", self.lease,
                "--name", self.name, "--seed", str(self.random.getrandbits(60)),
                "--spool-kib", str(self.spool_kib), "--chunk-events", str(self.events),
                "--tick-ms", str(self.tick_ms)]


class Agent(Player):
    """The real one, on this machine's own queues: how far it came is in its lease."""

    def __init__(self, build, work, socket, lease):
        super().__init__("real", work)
        self.build = build
        self.socket = socket
        self.lease = lease + "-real"
        self.lives = {}  # instance -> newest record, of the lives that were killed
        self.ledger = None

    def command(self):
        return [f"{self.build}/agent/ringside-agent", "--collector", f"unix:{self.socket}",
                "--lease-dir", self.lease, "--name", "real", "--role", "guest", "--detail",
                "all:guest.irq", "--interval-ms", "50"]


class Disk:
    """A small one where we may mount; else the machine's own, which is never filled."""

    SIZE = 512 << 20

    def __init__(self, path):
        self.path = path
        os.mkdir(path)
        self.ballast = os.path.join(path, "ballast")
        self.small = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", path],
            stderr=subprocess.DEVNULL, check=False).returncode == 0

    def fill(self):
        with open(self.ballast, "wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 20))
                    ballast.flush()
            except OSError:
                pass

    def free(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def close(self):
        if self.small:
            subprocess.run(["umount", "-l", self.path], check=False)
