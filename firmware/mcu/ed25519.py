"""Is this signature from that key? Ed25519 (RFC 8032, section 5.1), in integers alone.

MicroPython has no Ed25519 and no SHA-512, so both are here; what is signed is short, the 32 bytes
of a SHA-256. Checking one signature is two multiplications on the curve: 0.44 s were measured on
an emulated Cortex-M3 at 125 MIPS; nothing here has been timed on a board.

Why not ECDSA on P-256: its signer needs a fresh secret number for every signature, and one that
is guessed or used twice gives the key away. Here the signer needs none.

Laws:
- Strict: only the one encoding of a point, and only S below the order, is taken (RFC 8032,
  5.1.3 and 5.1.7); so nobody makes a second signature out of a first one.
- A public key of small order is refused: with such a key one signature fits many messages.
- What is not a signature is False, never an exception.
- It is quick rather than constant in time. A device checks with public numbers only; `sign` runs
  on the computer of whoever makes updates, and nobody sends it messages to time.
"""

from binascii import unhexlify

TYPE_CHECKING = False
if TYPE_CHECKING:
    Point = tuple[int, int, int, int]  # extended coordinates: X, Y, Z, T with xy = T/Z

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_P = (1 << 255) - 19
_ORDER = (1 << 252) + 27742317777372353535851937790883648493
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_ROOT_OF_MINUS_ONE = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_BASE_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
_BASE_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
_ZERO = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the key's owner signed this message."""
    verification = Verification(public_key, message, signature)
    while verification.answer is None:
        verification.step()
    return verification.answer


class Verification:
    """`verify` in steps of a few milliseconds, for whoever must not be blind meanwhile.

    `answer`: None until it is known.
    """

    def __init__(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Look at the lengths alone."""
        self.answer: bool | None = None
        self._key, self._message, self._signature = public_key, message, signature
        self._sum: _Sum | None = None
        if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
            self.answer = False

    def step(self) -> None:
        """Go on; the first and the last step are the longest, with one power each."""
        if self.answer is not None:
            return
        if self._sum is None:
            self._begin()
        elif self._sum.bit >= 0:
            self._sum.step()
        else:
            self.answer = _encode(self._sum.point) == self._signature[:32]

    def _begin(self) -> None:
        key, signature = self._key, self._signature
        owner = _decode(key)
        s = int.from_bytes(signature[32:], "little")
        if owner is None or _is_small(owner) or s >= _ORDER:
            self.answer = False
            return
        x, y, z, t = owner
        k = _scalar(signature[:32], key, self._message)
        self._sum = _Sum(s, _base(), k, (_P - x, y, z, _P - t))


def is_public_key(public_key: bytes) -> bool:
    """Return whether these bytes can be anybody's public key."""
    point = _decode(public_key) if len(public_key) == KEY_BYTES else None
    return point is not None and not _is_small(point)


def public_key_of(private_key: bytes) -> bytes:
    """Return the public key that belongs to 32 secret bytes."""
    return _encode(_times_base(_secrets(private_key)[0]))


def sign(private_key: bytes, message: bytes) -> bytes:
    """Return the signature of the message: always the same one."""
    scalar, prefix = _secrets(private_key)
    r = int.from_bytes(sha512(prefix + message), "little") % _ORDER
    r_point = _encode(_times_base(r))
    k = _scalar(r_point, public_key_of(private_key), message)
    return r_point + ((r + k * scalar) % _ORDER).to_bytes(32, "little")


def _secrets(private_key: bytes) -> "tuple[int, bytes]":
    """Return the secret scalar and the prefix of each message (RFC 8032, 5.1.5)."""
    if len(private_key) != KEY_BYTES:
        raise ValueError("a private key has 32 bytes")
    digest = sha512(private_key)
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    return scalar, digest[32:]


def _scalar(r_point: bytes, public_key: bytes, message: bytes) -> int:
    return int.from_bytes(sha512(r_point + public_key + message), "little") % _ORDER


def _base() -> "Point":
    return (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def _decode(encoded: bytes) -> "Point | None":
    """Return the point these 32 bytes say, or None (RFC 8032, 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    is_odd = y >> 255
    y &= (1 << 255) - 1
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) >> 3, _P) % _P
    square = v * x * x % _P
    if square == _P - u and u:
        x = x * _ROOT_OF_MINUS_ONE % _P
    elif square != u:
        return None
    if x == 0 and is_odd:
        return None
    if x & 1 != is_odd:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _encode(point: "Point") -> bytes:
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _is_small(point: "Point") -> bool:
    """Return whether eight times the point is nothing."""
    for _ in range(3):
        point = _double(point)
    return point[0] == 0 and point[1] == point[2]


def _double(point: "Point") -> "Point":
    """Return twice the point (RFC 8032, 5.1.4, after Hisil and others 2008, 3.3)."""
    x, y, z, _ = point
    a, b = x * x % _P, y * y % _P
    h = a + b
    e = h - (x + y) * (x + y)
    g = a - b
    f = 2 * z * z + g
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _add(one: "Point", other: "Point") -> "Point":
    """Return the sum; it is right for equal points and for zero too (RFC 8032, 5.1.4)."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = t1 * 2 * _D * t2 % _P, z1 * 2 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


class _Sum:
    """a × one + b × other, both in one run from the highest bit down."""

    def __init__(self, a: int, one: "Point", b: int, other: "Point") -> None:
        self.point = _ZERO
        self.bit = 255
        self._a, self._b = a, b
        self._terms = (one, other, _add(one, other))

    def step(self) -> None:
        """Go on by one bit."""
        which = (self._a >> self.bit & 1) + 2 * (self._b >> self.bit & 1)
        self.point = _double(self.point)
        if which:
            self.point = _add(self.point, self._terms[which - 1])
        self.bit -= 1


def _times_base(scalar: int) -> "Point":
    product = _Sum(scalar, _base(), 0, _ZERO)
    while product.bit >= 0:
        product.step()
    return product.point


# SHA-512, FIPS 180-4: 64 bits of the fractional parts of the cube roots of the first 80 primes
# (4.2.3), and of the square roots of the first 8 (5.3.5).
_CUBE_ROOTS = unhexlify(
    "428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b538"
    "59f111f1b605d019923f82a4af194f9bab1c5ed5da6d8118d807aa98a303024212835b0145706fbe"
    "243185be4ee4b28c550c7dc3d5ffb4e272be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235"
    "c19bf174cf692694e49b69c19ef14ad2efbe4786384f25e30fc19dc68b8cd5b5240ca1cc77ac9c65"
    "2de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5983e5152ee66dfab"
    "a831c66d2db43210b00327c898fb213fbf597fc7beef0ee4c6e00bf33da88fc2d5a79147930aa725"
    "06ca6351e003826f142929670a0e6e7027b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed"
    "53380d139d95b3df650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353b"
    "a2bfe8a14cf10364a81a664bbc423001c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218"
    "d69906245565a910f40e35855771202a106aa07032bbd1b819a4c116b8d2d0c81e376c085141ab53"
    "2748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb5b9cca4f7763e373"
    "682e6ff3d6b2b8a3748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec"
    "90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532bca273eceea26619c"
    "d186b8c721c0c207eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6"
    "113f9804bef90dae1b710b35131c471b28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc"
    "431d67c49c100d4c4cc5d4becb3e42b6597f299cfc657e2a5fcb6fab3ad6faec6c44198c4a475817"
)
_SQUARE_ROOTS = unhexlify(
    "6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1510e527fade682d1"
    "9b05688c2b3e6c1f1f83d9abfb41bd6b5be0cd19137e2179"
)
_WORD = (1 << 64) - 1


def sha512(message: bytes) -> bytes:
    """Return the SHA-512 of a short message: all of it is copied."""
    zeros = bytes((111 - len(message)) % 128)
    padded = message + b"\x80" + zeros + (8 * len(message)).to_bytes(16, "big")
    state = _words(_SQUARE_ROOTS)
    for start in range(0, len(padded), 128):
        state = _mixed(state, padded[start : start + 128])
    return b"".join([word.to_bytes(8, "big") for word in state])


def _mixed(state: "list[int]", block: bytes) -> "list[int]":
    """Return the state after one block of 128 bytes (FIPS 180-4, 6.4.2)."""
    words = _words(block)
    a, b, c, d, e, f, g, h = state
    for number in range(80):
        if number >= 16:
            early, late = words[(number + 1) % 16], words[(number + 14) % 16]
            small = _rotated(early, 1) ^ _rotated(early, 8) ^ early >> 7
            large = _rotated(late, 19) ^ _rotated(late, 61) ^ late >> 6
            word = words[number % 16] + small + words[(number + 9) % 16] + large
            words[number % 16] = word & _WORD
        root = int.from_bytes(_CUBE_ROOTS[8 * number : 8 * number + 8], "big")
        large = _rotated(e, 14) ^ _rotated(e, 18) ^ _rotated(e, 41)
        first = h + large + (e & f ^ ~e & g) + root + words[number % 16]
        small = _rotated(a, 28) ^ _rotated(a, 34) ^ _rotated(a, 39)
        second = small + (a & b ^ a & c ^ b & c)
        h, g, f, e = g, f, e, (d + first) & _WORD
        d, c, b, a = c, b, a, (first + second) & _WORD
    mixed = (a, b, c, d, e, f, g, h)
    return [(state[at] + mixed[at]) & _WORD for at in range(8)]


def _words(block: bytes) -> "list[int]":
    return [int.from_bytes(block[at : at + 8], "big") for at in range(0, len(block), 8)]


def _rotated(word: int, bits: int) -> int:
    return (word >> bits | word << (64 - bits)) & _WORD
