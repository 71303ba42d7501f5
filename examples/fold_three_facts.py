"""Three facts of one book, in every order of arrival: one answer.

Kiosk 2 took the book back knowing of the first loan; kiosk 1, without a network, lent it again
without knowing of the return. In doubt, nobody owes the book.
"""

from itertools import permutations

from circulation.facts import Fact
from circulation.fold.fold import fold


def fact(name: str, kind: str, station: str, seq: int, patron: str | None, *saw: str) -> Fact:
    body = {"id": name * 16, "kind": kind, "boot": "0000b007", "mono": seq * 1000}
    known = {"item": "b" * 16, "saw": [each * 16 for each in saw]}
    return Fact.from_row(station, 1, seq, body | known, patron)


def main() -> None:
    lent = fact("a", "checkout", "kiosk-1", 1, "anna")
    back = fact("b", "checkin", "kiosk-2", 1, None, "a")
    lent_again = fact("c", "checkout", "kiosk-1", 2, "ben", "a")
    answers = {fold(arrived, {}).holding for arrived in permutations((lent, back, lent_again))}
    for holding in answers:
        print(len(answers), "answer:", holding.state.value, "owed by", holding.patron)


main()
