# SPDX-License-Identifier: Apache-2.0
"""What the ledgers say was made, against what the store has and says it lacks."""
import glob
import os
import re
import sqlite3

from .ledger import CHUNK, GAP, HELLO, LOG, MARKS, QUEUE, SNAPSHOT

KILLED = re.compile(r"of the agent (\w+), which was killed, records (\d+) to (\d+) are lost, "
                    r"with at most (\d+) events")
SPOOL = re.compile(r"the agent's spool of .* was full: (\d+) snapshots folded into later ones; "
                   r"(\d+) marks, (\d+) events, (\d+) log lines dropped")
AGENT, RECORDER = 1, 2  # makers of gaps


class Verdict:
    def __init__(self):
        self.faults = []
        self.sums = {}

    def add(self, name, n=1):
        self.sums[name] = self.sums.get(name, 0) + n

    def fail(self, text):
        self.faults.append(text)

    def table(self):
        return "\n".join(f"{name:44} {n:12,}" for name, n in self.sums.items())


class Stored:
    """Everything the store has of one instance."""

    def __init__(self):
        self.records = {}  # number -> (kind, hash)
        self.events = {}  # first event -> events, of each chunk
        self.folded = {}  # number of a snapshot -> how many were folded into it
        self.spool = {}  # number -> (snapshots, marks, events, lines)


def read_file(path, store, killed, verdict):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    instances = dict(db.execute("SELECT id, instance FROM streams"))
    for stream, instance in instances.items():
        store.setdefault(instance, Stored())
    for stream, number, kind, ref, fingerprint in db.execute(
            "SELECT stream, number, kind, ref, hash FROM records"):
        mine = store[instances[stream]]
        fingerprint %= 1 << 64
        if number in mine.records:
            verdict.add("repeated as context in a later file")
            if kind not in (HELLO, QUEUE) or mine.records[number] != (kind, fingerprint):
                verdict.fail(f"{instances[stream]}: record {number} is there twice")
        mine.records[number] = (kind, fingerprint)
    for stream, first, count in db.execute("SELECT stream, first_number, count FROM event_chunks"):
        if first in store[instances[stream]].events:
            verdict.fail(f"{instances[stream]}: events from {first} on are there twice")
        store[instances[stream]].events[first] = count
    for stream, number, folded in db.execute(
            "SELECT r.stream, r.number, s.folded FROM records r JOIN snapshots s ON s.id = r.ref"
            f" WHERE r.kind = {SNAPSHOT}"):
        store[instances[stream]].folded[number] = folded
    for stream, number, maker, what in db.execute(
            "SELECT stream, number, maker, what FROM gaps WHERE stream IS NOT NULL"):
        if spool := SPOOL.fullmatch(what):
            store[instances[stream]].spool[number] = tuple(map(int, spool.groups()))
        if told := KILLED.fullmatch(what):
            killed.setdefault(told[1], set()).add(tuple(map(int, told.groups()[1:])))
    db.close()


def verify_life(name, life, mine, killed, verdict):
    """One instance: what was made is there, or in exactly one gap."""
    if len(killed) > 1:
        verdict.fail(f"{name}: told in different words what was lost with it: {killed}")
    first, last, events = next(iter(killed)) if killed else (0, 0, 0)
    lost = [0, 0, 0, 0]  # snapshots, marks, events, lines, as the spool counts them
    lost_with_it = 0
    for number, (kind, fingerprint, count, _, marks) in sorted(life.made.items()):
        verdict.add("records made")
        verdict.add("events made", count)
        stored = mine.records.get(number)
        if stored == (kind, fingerprint) or (
                stored and stored[0] == kind == SNAPSHOT and mine.folded[number] > 0):
            verdict.add("records stored")
            verdict.add("events stored", count)
            if kind == CHUNK and mine.events.get(life.made[number][3]) != count:
                verdict.fail(f"{name}: the events of record {number} are not there")
            if first <= number <= last:
                verdict.fail(f"{name}: record {number} is there and was said to be lost")
        elif stored and (number not in mine.spool or stored[0] != GAP):
            verdict.fail(f"{name}: record {number} is another one: {stored}, made {kind}")
        elif not stored and first <= number <= last:
            lost_with_it += 1
            verdict.add("records lost with a killed agent, reported")
            verdict.add("events lost with a killed agent, reported", count)
            events -= count
        elif not stored and not life.ended and number > max(life.done, last):
            verdict.add("records never put: killed before")
        else:  # the spool's: its gap has this number, or a later one
            lost[0] += kind == SNAPSHOT
            lost[1] += marks
            lost[2] += count
            lost[3] += kind == LOG
            said = kind in (SNAPSHOT, MARKS, CHUNK, LOG) and any(n >= number for n in mine.spool)
            if not said:
                verdict.fail(f"{name}: record {number}, kind {kind}: missing, and nothing says so")
    if killed and lost_with_it not in (last - first + 1, last - first):
        verdict.fail(f"{name}: {first} to {last} were said to be lost, and {lost_with_it} are")
    if events < 0:
        verdict.fail(f"{name}: {-events} more events are lost with it than was said")
    said = [sum(part) for part in zip(*mine.spool.values())] if mine.spool else [0, 0, 0, 0]
    for what, n, told in zip(("snapshots folded", "marks", "events", "log lines"), lost, said):
        verdict.add(f"{what} lost by a full spool, reported", told)
        if n != told:
            verdict.fail(f"{name}: {n} {what} lost by a full spool, {told} were reported")
    for number in set(mine.records) - set(life.made):
        verdict.fail(f"{name}: record {number} was never made")


def verify_real(instance, mine, killed, verdict):
    """The real agent has no ledger: its numbers have no hole but those that are reported."""
    told = {n for first, last, _ in killed for n in range(first, last + 1)}
    newest = max(mine.records, default=0)
    missing = set(range(1, newest + 1)) - set(mine.records) - told
    verdict.add("real agent: records stored", len(mine.records))
    verdict.add("real agent: events stored", sum(mine.events.values()))
    verdict.add("real agent: records lost with it, reported", len(told))
    if told & set(mine.records):
        verdict.fail(f"{instance}: records are there and were said to be lost")
    if missing and not mine.spool:
        verdict.fail(f"{instance}: {len(missing)} records are missing and nothing says so")


def verify(lives, folder, verdict):
    store, killed = {}, {}
    files = sorted(glob.glob(os.path.join(folder, "*.rsi")))
    for path in files:
        read_file(path, store, killed, verdict)
    verdict.add("incident files", len(files))
    verdict.add("agents' lives", len(store))
    for instance, life in lives.items():
        verify_life(instance, life, store.get(instance, Stored()), killed.get(instance, set()),
                    verdict)
    for instance in set(store) - set(lives):
        verify_real(instance, store[instance], killed.get(instance, set()), verdict)
    return verdict
