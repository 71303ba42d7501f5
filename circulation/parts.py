"""Items of several parts: a book with its disc, a game with its boxes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

PARTS_MAX = 255  # one byte on the tag (ISO 28560-3, basic block, byte 1)


@dataclass(frozen=True, slots=True)
class PartsCheck:
    """Which ordinals were expected and not read, and which were read and not expected."""

    missing: tuple[int, ...] = ()
    unexpected: tuple[int, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict, hash=False)

    @property
    def complete(self) -> bool:
        """Return whether all that was expected is there and nothing else."""
        return not self.missing and not self.unexpected

    def named(self, ordinals: Collection[int]) -> str:
        """Return parts as a reader reads them: "2 (CD), 3"."""
        return ", ".join(
            f"{ordinal} ({self.names[ordinal]})" if ordinal in self.names else str(ordinal)
            for ordinal in sorted(ordinals)
        )


def check_parts(
    total: int,
    read: Collection[int],
    *,
    names: Mapping[int, str] | None = None,
    known_missing: Collection[int] = (),
) -> PartsCheck:
    """Return what of the parts 1 to `total` is missing; a known gap is not missed again.

    A part known to be missing may turn up: that is no surprise either.
    """
    if not 1 <= total <= PARTS_MAX:
        raise ValueError(f"an item has 1 to {PARTS_MAX} parts, not {total}")
    all_parts = set(range(1, total + 1))
    return PartsCheck(
        tuple(sorted(all_parts - set(read) - set(known_missing))),
        tuple(sorted(set(read) - all_parts)),
        dict(names or {}),
    )
