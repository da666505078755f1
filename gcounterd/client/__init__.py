"""A client of gcounterd for Python programs: counts, reads, and never guesses.

    from gcounterd.client import Client

    with Client(["http://127.0.0.1:7781", "http://127.0.0.1:7782"]) as counters:
        counters.add("visits")              # gathered with others, sent within 50 ms
        counters.count("visits", 5)         # sent at once; the answer is the new value
        print(counters.get("visits"))       # never below what this client has seen

`Client` is for threads and needs the standard library only; `gcounterd.client.trio` has the same
for Trio. Reading order: `errors`, `limits`, `requests`, `answers` (what is said), `nodes`,
`seen`, `counting`, `reading`, `gathering` (what is decided, without I/O), then the two shells,
`exchange` with `client`, and `trio`. This room knows the HTTP API and nothing else of gcounterd.
"""

from gcounterd.client.client import Client
from gcounterd.client.counting import Counted
from gcounterd.client.errors import CounterError, DefiniteError, IndefiniteError, ReadError

__all__ = ["Client", "Counted", "CounterError", "DefiniteError", "IndefiniteError", "ReadError"]
