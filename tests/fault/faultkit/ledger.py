# SPDX-License-Identifier: Apache-2.0
"""What the load agents say they made (load_agent.cc tells the format)."""
import glob
import os

HELLO, QUEUE, SNAPSHOT, MARKS, CHUNK, LOG, FACT, CLOCK, GAP, BYE = range(1, 11)


class Life:
    """One instance of a load agent."""

    def __init__(self):
        self.made = {}  # number -> (kind, hash, events, first event, marks)
        self.done = 0  # newest that was put for sure; the one after it may have been
        self.ended = False


def read_ledgers(work):
    lives = {}
    for path in glob.glob(os.path.join(work, "*.ledger")):
        with open(path, encoding="ascii") as lines:
            for line in lines:
                word, instance, *rest = line.split()
                life = lives.setdefault(instance, Life())
                if word == "I":
                    number, kind, fingerprint, events, first, marks = map(int, rest)
                    life.made[number] = (kind, fingerprint, events, first, marks)
                elif word == "D":
                    life.done = int(rest[0])
                elif word == "E":
                    life.ended = True
    return lives
