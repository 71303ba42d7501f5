"""Read three facts as a station wrote them, and see that none was changed since.

Each row's hash covers the row before it, so whoever changes one fact breaks all that follow.
"""

from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.fact import decode_body, encode_body

EPOCH = "00000000000000e1"
BOOK = "00000000000000b1"


def main() -> None:
    bodies = [
        encode_body({"id": f"{n:016x}", "kind": kind, "boot": "0000b007", "mono": n, "item": BOOK})
        for n, kind in enumerate(("checkout", "renewal", "checkin"), start=1)
    ]
    link = told = chain_start(EPOCH)
    for seq, body in enumerate(bodies, start=1):
        link = chain_hash(link, seq, body)
        print(seq, decode_body(body)["kind"], link.hex())

    for seq, body in enumerate([bodies[0], bodies[0], bodies[2]], start=1):
        told = chain_hash(told, seq, body)
    print("one fact replaced:", "noticed" if told != link else "NOT noticed")


main()
