"""Print the gateway's heartbeat: python examples/follow_the_head.py [HOST PORT LIBRARY HEADS].

While the demo runs, its broker is on port 18830 and its library is called linden.
"""

import queue
import sys
from itertools import islice

from circulation.link import Endpoint, Link, LinkEvent, Received
from circulation.wire.messages import Head, decode
from circulation.wire.topics import Topics


def main(host: str = "127.0.0.1", port: str = "18830", name: str = "linden", n: str = "4") -> None:
    heard: queue.Queue[LinkEvent] = queue.Queue(maxsize=100)
    endpoint = Endpoint(host, int(port))
    link = Link(endpoint, client_id=f"{name}/follower", will=None, deliver=heard.put_nowait)
    link.subscribe([Topics(name).head()])
    link.start()
    received = (event for event in iter(heard.get, None) if isinstance(event, Received))
    for event in islice(received, int(n)):
        head = decode(Head, event.payload)
        print(f"head {head.n} of {head.lineage}: lists {head.versions}, now {head.now}")
    link.stop()


main(*sys.argv[1:])
