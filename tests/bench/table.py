"""Results of the benchmarks, as a table for people and as JSON."""
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Result:
    name: str
    value: float
    unit: str
    reference: str = ""          # what it is compared with
    reference_value: float = None
    at_least: float = None       # of the ratio, or of the value when there is no reference
    at_most: float = None
    on_value: bool = False       # the bound is one of the value though there is a reference
    theirs: str = ""             # OpenNebula 7.4, as measured once on a machine of this kind
    note: str = ""

    @property
    def ratio(self):
        return self.value / self.reference_value if self.reference_value else None

    @property
    def met(self):
        bounded = self.ratio if self.ratio is not None and not self.on_value else self.value
        if bounded != bounded:  # not a number: it could not be measured
            return False
        if self.at_least is not None:
            return bounded >= self.at_least
        if self.at_most is not None:
            return bounded <= self.at_most
        return None


def print_head():
    print(f"{'what':55} {'here':>16} {'reference':>28} {'ratio':>7} {'reach':>16} {'':>4}  {'OpenNebula 7.4':>18}")


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def wanted(result):
    if result.at_least is None and result.at_most is None:
        return ""
    sign, bound = (">=", result.at_least) if result.at_least is not None else ("<=", result.at_most)
    ratio = result.ratio is not None and not result.on_value
    return f"{sign} {bound:g}x" if ratio else f"{sign} {bound:g} {result.unit}"


def print_row(result):
    reference = f"{number(result.reference_value)} ({result.reference})" if result.reference_value else ""
    ratio = f"{result.ratio:.3g}" if result.ratio is not None else ""
    verdict = {True: "yes", False: "NO", None: ""}[result.met]
    value = f"{number(result.value)} {result.unit}"
    print(f"{result.name:55} {value:>16} {reference:>28} {ratio:>7} {wanted(result):>16} {verdict:>4}  "
          f"{result.theirs:>18}  {result.note}", flush=True)


def as_dict(result):
    return {"name": result.name.strip(), "value": result.value, "unit": result.unit, "reference": result.reference,
            "reference_value": result.reference_value, "ratio": result.ratio, "wanted": wanted(result),
            "met": result.met, "opennebula_7_4": result.theirs, "note": result.note}


def write_json(path, results, **more):
    document = {"time": int(time.time()), "processors": os.cpu_count(), **more,
                "results": [as_dict(result) for result in results]}
    Path(path).write_text(json.dumps(document, indent=2).replace("NaN", "null") + "\n")
