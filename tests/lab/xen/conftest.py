import sys


def pytest_terminal_summary(terminalreporter):
    """What each step took."""
    steps = getattr(sys.modules.get("lab.xen.scenario_a"), "STEPS", [])
    if steps:
        terminalreporter.section("Xen: seconds of each step")
    for what, seconds in steps:
        terminalreporter.line(f"{seconds:8.1f}  {what}")
