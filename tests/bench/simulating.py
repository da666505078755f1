"""Row `simulator`: how many messages a second a simulated cluster exchanges, checks included."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

from tests.bench.rows import Row

NODES = 5
SEEDS, SEEDS_QUICK = 12, 4
PATIENCE_S = 180.0
# … 123,456 messages in 7.8 s (15,827 a second) …
FIGURE = re.compile(r"\(([\d,]+) a second\)")
WHAT = f"simulated messages between {NODES} nodes, on one core"


def measure(*, quick: bool) -> list[Row]:
    """Return the figure that `python -m gcounterd.sim` prints."""
    if importlib.util.find_spec("gcounterd.sim.__main__") is None:
        return [Row("simulator", WHAT, None, remark="there is no simulator yet")]
    last = (SEEDS_QUICK if quick else SEEDS) - 1
    command = [sys.executable, "-m", "gcounterd.sim", "--seeds", f"0-{last}"]
    command += ["--nodes", str(NODES), "--jobs", "1"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return [Row("simulator", WHAT, None, remark=f"not done in {PATIENCE_S:g} s")]
    found = FIGURE.search(done.stdout)
    if found is None:
        told = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        return [Row("simulator", WHAT, None, remark=told[-1][:100])]
    value = float(found[1].replace(",", ""))
    remark = f"seeds 0-{last}" + ("" if done.returncode == 0 else "; a seed failed")
    return [Row("simulator", WHAT, value, "a second", at_least=20_000, remark=remark)]
