"""journal.py: what clients and the nemesis were told, outside the database: append-only files of
JSON lines, one file for each writer. The first word of a line says what happened:

    op       AT CENTS WAY KEY SOURCE DESTINATION    about to ask; WAY is queue or direct
    ack      AT CENTS HANDSHAKE                     the queue has answered with a handshake
    told     AT CENTS CODE TRANSFER                 what the handshake says became of it
    paid     AT CENTS TRANSFER                      a direct payment's transaction has committed
    refused  AT CENTS CODE                          it was refused, or rolled back on purpose
    doubt    AT CENTS WHY                           no answer, or one that promises nothing
    unclean  AT CENTS WHY                           an answer that no client can make sense of
    waited   AT CENTS SECONDS                       so long did it take to get an answer
    again    AT COUNT                               so many were sent again, and answered as at first
    seen     AT TOTAL LEAST OUTSIDE                 one snapshot: all wallets, the least, the outside
    fault    AT UNTIL BEGIN KIND RECOVERY           what the nemesis did; seconds until posting again

CENTS is the amount. No two payments of a run have the same, so it names the payment in the
journals and in the database's tables alike, whatever keys and handshakes say."""

import json
import pathlib
import time


class Journal:
    def __init__(self, folder, name):
        self._file = open(pathlib.Path(folder, name + ".journal"), "a", encoding="utf-8")

    def write(self, word, *values):
        json.dump([word, round(time.time(), 4), *values], self._file, separators=(",", ":"))
        self._file.write("\n")
        self._file.flush()


def read(folder):
    for path in sorted(pathlib.Path(folder).glob("*.journal")):
        with open(path, encoding="utf-8") as lines:
            yield from map(json.loads, lines)
