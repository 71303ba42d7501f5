"""Facts written short: half the flash for the same alarms.

A body is JSON, its keys in any order, since MicroPython keeps none. It holds no byte below 0x20;
here such a byte stands for a text of the table. What comes out is exactly what went in, whatever
it was: a body in which one of these bytes is found is not written short at all.

The table is part of what lies in flash: texts are added at its end, none is ever changed.
"""

_TEXTS = (
    b'"v":1',
    b',"id":"',
    b',"kind":"alarm"',
    b',"kind":"tag_seen"',
    b',"kind":"alarm_answered"',
    b',"kind":"passages"',
    b',"kind":"',
    b',"boot":"',
    b',"mono":',
    b',"wall":',
    b',"sure":true',
    b',"sure":false',
    b',"site":"',
    b',"gate":"',
    b',"lane":"',
    b',"row":',
    b',"direction":"out"',
    b',"direction":"',
    b',"uids":["',
    b',"uid":"',
    b',"item":"',
    b',"barcode":"',
    b',"owner":"',
    b',"latency_ms":',
    b',"security":"',
    b',"alarm":"',
    b',"title":"',
    b',"by":"',
    b',"from":',
    b',"until":',
)
_CODES = tuple([bytes([code]) for code in range(1, len(_TEXTS) + 1)])


def abbreviated(body: bytes) -> "bytes | None":
    """Return the body written short, or None if it has to stay as it is."""
    if body and min(body) < 0x20:
        return None
    short = body
    for text, code in zip(_TEXTS, _CODES):  # noqa: B905 - strict= is absent on MicroPython
        short = short.replace(text, code)
    return short


def spelled_out(short: bytes) -> bytes:
    """Return the body that was written short."""
    for text, code in zip(_TEXTS, _CODES):  # noqa: B905
        short = short.replace(code, text)
    return short
