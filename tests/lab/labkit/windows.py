# SPDX-License-Identifier: Apache-2.0
"""A scenario in parts, each cut out of the collector's store afterwards and judged by itself."""

import json
import os
import subprocess
import time

from .errors import LabError
from .faults import TOLERATED
from .first_light import FirstLight

SETTLE_S = 3  # a snapshot of both sides comes each half second


class Windows(FirstLight):
    """A scenario whose phases are windows; leaves windows.json."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._windows = {}

    def _window(self, name, traffic):
        """A phase with quiet around it, on the collector's clock, which is the host VM's."""
        time.sleep(SETTLE_S)
        begin = self._host_time()
        self._phase(name, traffic)
        time.sleep(SETTLE_S)
        self._windows[name] = {"from": begin, "to": self._host_time(), **self._noted(name)}

    def _host_time(self):
        return self._machine.host.run("date -u +%FT%T.%NZ")

    def _noted(self, name):  # pylint: disable=unused-argument
        """More about the window that just ended."""
        return {}

    def _noted_once(self):
        return {}

    def _write(self):
        super()._write()
        with open(os.path.join(self._out, "windows.json"), "w", encoding="utf-8") as f:
            json.dump({"schema": 1, **self._noted_once(), "windows": self._windows}, f, indent=1)


def read_windows(out_dir):
    with open(os.path.join(out_dir, "windows.json"), encoding="utf-8") as f:
        return json.load(f)


class Told:
    """What `ringside` says of an incident."""

    def __init__(self, binaries, path):
        self._program = binaries["ringside"]
        self.path = path

    def text(self, *words):
        run = subprocess.run([self._program, *words], stdout=subprocess.PIPE, check=False,
                             env=dict(os.environ, COLUMNS="100"), encoding="utf-8",
                             cwd=os.path.dirname(self.path))
        if run.returncode != 0:
            raise LabError(f"ringside {' '.join(words)}: exit {run.returncode}")
        return run.stdout

    def explain(self):
        return self.text("explain", os.path.basename(self.path))

    def findings(self):
        return json.loads(self.text("explain", self.path, "--json"))["findings"]

    def queues(self):
        return json.loads(self.text("ledger", self.path, "--json"))["queues"]

    def finding(self, cause, queue):
        found = [f for f in self.findings() if f["id"] == cause and f["queue"].endswith(queue)]
        if not found:
            raise LabError(f"no {cause} of {queue} in {self.path}:\n{self.explain()}")
        return found[0]

    def expect_only(self, *causes):
        strange = [f for f in self.findings() if f["id"] not in TOLERATED.union(causes)]
        if strange:
            raise LabError(f"findings nobody caused in {self.path}:\n"
                           f"{json.dumps(strange, indent=1)}")

    def expect_nothing_violated(self):
        wrong = [(q["queue"], i["id"], i["why"]) for q in self.queues() for i in q["identities"]
                 if i["verdict"] == "violated"]
        if wrong:
            raise LabError(f"violated in {self.path}: {wrong}")


def cut(binaries, out_dir, name, window):
    """A window of the store as a file of its own."""
    path = os.path.join(out_dir, f"{name}.rsi")
    subprocess.run([binaries["ringside"], "save", os.path.join(out_dir, "store"), "--from",
                    window["from"], "--to", window["to"], "-o", path], check=True)
    return Told(binaries, path)


def expect(condition, what, shown):
    if not condition:
        raise LabError(f"{what}:\n{shown}")
