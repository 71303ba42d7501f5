"""Ask a site's patterns what a label is, and why another is refused."""

from circulation.barcodes import Barcodes, Match
from circulation.doc import Doc

PATTERNS = [
    {"kind": "patron", "mask": "2#{13}", "check": "codabar_mod10"},
    {"kind": "item", "mask": "3#{13}", "check": "codabar_mod10"},
]


def main() -> None:
    barcodes = Barcodes.from_doc(Doc(PATTERNS, "barcodes"))
    for scanned in ("21234567890124", "A31234567890122B", "9783161484100", "2.12E+13"):
        found = barcodes.identify(scanned)
        answer = found.kind if isinstance(found, Match) else found.reasons[0].value
        print(f"{scanned}: {answer}")
    print(*barcodes.explain("21234567890123"), sep="\n  ")


main()
