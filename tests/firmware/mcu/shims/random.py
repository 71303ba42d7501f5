"""Repeatable random numbers for MicroPython: not CPython's, but the same in every run."""


class Random:
    """A linear congruential generator (Knuth, MMIX), upper bits first."""

    def __init__(self, seed=0):
        self._state = seed if isinstance(seed, int) else 1

    def getrandbits(self, count):
        """Return a number of so many bits."""
        found = 0
        for _ in range((count + 31) // 32):
            self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            found = found << 32 | self._state >> 32
        return found >> (-count % 32)

    def randrange(self, start, stop=None, step=1):
        """Return a number from a range."""
        if stop is None:
            start, stop = 0, start
        return start + step * (self.getrandbits(48) % ((stop - start + step - 1) // step))

    def randint(self, first, last):
        """Return a number from first to last, both included."""
        return self.randrange(first, last + 1)

    def random(self):
        """Return a fraction from 0 up to 1."""
        return self.getrandbits(24) / 16777216

    def randbytes(self, count):
        """Return bytes."""
        return bytes([self.getrandbits(8) for _ in range(count)])

    def choice(self, some):
        """Return one of them."""
        return some[self.randrange(len(some))]

    def shuffle(self, some):
        """Mix a list."""
        for at in range(len(some) - 1, 0, -1):
            other = self.randrange(at + 1)
            some[at], some[other] = some[other], some[at]

    def sample(self, some, count):
        """Return so many of them, each once."""
        mixed = list(some)
        self.shuffle(mixed)
        return mixed[:count]
