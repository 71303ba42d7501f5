"""What every parser of frames must survive, whatever language it cuts."""

import random


def cut(parser_type, stream, sizes=None):
    """Return every answer in a stream that arrives in pieces of these sizes, and the parser."""
    parser, found, at = parser_type(), [], 0
    for size in sizes or [len(stream)]:
        parser.feed(stream[at : at + size])
        at += size
        while (answer := parser.take()) is not None:
            found.append(answer)
    return found, parser


def pieces(length, seed):
    """Return random sizes, 1 to 7, that add up to at least this length."""
    chance = random.Random(seed)
    return [chance.randrange(1, 8) for _ in range(length)]


def flips(frame):
    """Yield the frame with each single bit turned, and with each two neighbouring ones."""
    for bit in range(8 * len(frame)):
        for mask in (1 << bit, 3 << bit):
            if mask < 1 << 8 * len(frame):
                yield (int.from_bytes(frame, "big") ^ mask).to_bytes(len(frame), "big")
