"""Which fault strikes when, and how it may end. One row a case; `quick` ones are part of ./check."""
from dataclasses import dataclass

SOURCE, DESTINATION = "source", "destination"
EITHER = "source or destination"  # which, depends on how far it had come
LOST = "lost"                     # the hardware is gone: UNKNOWN, with the reason; off when the host is back
ANY = "any of these"


@dataclass(frozen=True)
class Case:
    fault: str
    moment: str
    storage: str
    ends: str
    hold: float = 0
    quick: bool = False

    def __str__(self):
        return f"{self.fault} - {self.moment} - {self.storage}"


def rows(fault, storages, hold=0, quick=(), **moments):
    return [Case(fault, moment, storage, ends, hold, (moment, storage) in quick)
            for storage in storages.split() for moment, ends in moments.items()]


BOTH = "shared mirrored"
CASES = [
    *rows("destination killed", BOTH, 9, {("precopy", "mirrored")},
          before=EITHER, start=EITHER, precopy=SOURCE, switch=ANY, after=LOST),
    *rows("source killed", BOTH, 9, precopy=LOST, switch=ANY),
    *rows("source's libvirtd killed", BOTH, 0, {("precopy", "mirrored")},
          start=EITHER, precopy=EITHER, switch=EITHER, after=EITHER),
    *rows("source's libvirtd killed", "shared", 8, precopy=EITHER),
    *rows("destination's libvirtd killed", BOTH, 0, start=EITHER, precopy=EITHER, switch=EITHER, after=EITHER),
    *rows("destination's libvirtd killed", "shared", 8, before=SOURCE, precopy=EITHER),
    *rows("hosts cut from each other", BOTH, 5, before=EITHER, start=EITHER, precopy=EITHER, switch=EITHER,
          after=DESTINATION),
    *rows("hosts cut from each other", BOTH, 45, precopy=EITHER, switch=EITHER),
    *rows("front-end cut from source", "shared", 20, before=EITHER, precopy=EITHER, switch=EITHER, after=EITHER),
    *rows("front-end cut from destination", "shared", 20, before=EITHER, precopy=EITHER, switch=EITHER,
          after=DESTINATION),
    *rows("destination's cable pulled", BOTH, 20, precopy=EITHER, switch=EITHER,
          after=DESTINATION),
    *rows("oned killed", BOTH, 0, {("precopy", "mirrored")}, start=EITHER, precopy=EITHER, switch=EITHER,
          after=DESTINATION),
    *rows("driver killed", BOTH, 0, start=EITHER, precopy=EITHER, switch=EITHER, after=DESTINATION),
    *rows("transfer driver killed", "mirrored", 0, start=EITHER, after=DESTINATION),
    *rows("disk full on destination", "mirrored", 3, before=SOURCE, precopy=EITHER),
    *rows("storage read-only on destination", BOTH, 3, before=SOURCE),
    *rows("job aborted by hand", BOTH, 0, precopy=SOURCE),
    *rows("time-out", BOTH, 0, precopy=SOURCE),
]
