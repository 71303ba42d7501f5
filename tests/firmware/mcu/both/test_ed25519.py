"""Signatures: the vectors of RFC 8032 and FIPS 180, and what a forger tries; on both Pythons."""

from binascii import hexlify, unhexlify

from firmware.mcu.ed25519 import is_public_key, public_key_of, sha512, sign, verify

ORDER = (1 << 252) + 27742317777372353535851937790883648493
P = (1 << 255) - 19

# RFC 8032, 7.1, tests 1 to 3: private key, public key, message, signature.
VECTORS = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)
# FIPS 180-4, as in NIST's examples: one block, two blocks, and none.
DIGESTS = (
    (
        b"abc",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
        b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    ),
    (
        b"",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    ),
)
# The points of small order in their one right encoding: y is 0, 1, -1, or of order 8.
SMALL = (
    "01" + 31 * "00",
    "ec" + 30 * "ff" + "7f",
    32 * "00",
    31 * "00" + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


def vectors():
    return [[unhexlify(part) for part in vector] for vector in VECTORS]


def test_the_vectors_of_the_standard_are_signed_and_verified():
    """What RFC 8032 prints is what comes out, bit for bit, and it verifies."""
    for private, public, message, signature in vectors():
        assert public_key_of(private) == public
        assert sign(private, message) == signature
        assert verify(public, message, signature)


def test_sha_512_is_that_of_the_standard():
    """One block, two blocks and an empty message hash as NIST's examples do."""
    for message, digest in DIGESTS:
        assert hexlify(sha512(message)).decode() == digest


def test_another_message_key_or_bit_is_refused():
    """A bit anywhere in message, key or signature, and it is nobody's signature."""
    _, public, message, signature = vectors()[1]

    for at in (0, 31, 32, 63):
        bent = bytearray(signature)
        bent[at] ^= 1
        assert not verify(public, message, bytes(bent))
    assert not verify(public, b"\x73", signature)
    assert not verify(public, b"", signature)
    assert not verify(vectors()[0][1], message, signature)


def test_the_same_signature_is_not_had_twice():
    """S plus the order, and R written otherwise, are refused: nobody varies a signature."""
    _, public, message, signature = vectors()[2]
    s = int.from_bytes(signature[32:], "little")

    assert not verify(public, message, signature[:32] + (s + ORDER).to_bytes(32, "little"))
    assert not verify(public, message, signature[:32] + ORDER.to_bytes(32, "little"))
    assert not verify(
        public, message, signature[:31] + bytes([signature[31] ^ 128]) + signature[32:]
    )


def test_a_key_that_fits_every_message_is_refused():
    """Points of small order, with which R = S·B verifies whatever was said, are no keys."""
    for key in SMALL:
        assert not is_public_key(unhexlify(key))
    for key in SMALL:
        assert not verify(unhexlify(key), b"anything", unhexlify("01" + 63 * "00"))


def test_what_is_no_point_is_no_key():
    """Off the curve, beyond the field, minus zero, all ones: refused without an exception."""
    off_curve = (2).to_bytes(32, "little")
    beyond = (P + 1).to_bytes(32, "little")
    minus_zero = unhexlify("01" + 30 * "00" + "80")
    signature = vectors()[0][3]

    for key in (off_curve, beyond, minus_zero, 32 * b"\xff"):
        assert not is_public_key(key)
        assert not verify(key, b"", signature)
        assert not verify(vectors()[0][1], b"", key + signature[32:])


def test_a_wrong_length_is_no_signature():
    """Nothing, too little and too much are False for key and signature alike."""
    _, public, message, signature = vectors()[0]

    for cut in (b"", signature[:63], signature + b"\x00", 64 * b"\x00", 64 * b"\xff"):
        assert not verify(public, message, cut)
    for key in (b"", public[:31], public + b"\x00"):
        assert not verify(key, message, signature)
        assert not is_public_key(key)
