"""The limits of the protocol, in one place, with the reason for each."""

VERSION = 1

# Numbers beyond 2**53 change their value in readers that hold them as doubles, JavaScript's
# among them, and 10**20 aborts a whole set-wise INSERT in SQLite (64 bit).
INTEGER_MAX = 1 << 53

# One fact is a few hundred bytes; a set of 100 parts with a UID each still fits in 8 KiB.
BODY_BYTES_MAX = 8 * 1024
BODY_DEPTH_MAX = 4

# What a fact says that it saw: one id, and of a decision every fact that staff considered. So
# many ids are 4.8 KiB of a body; about more facts at once staff decide again.
SAW_MAX = 256

# A batch: 50 facts keep one MQTT client thread at some 50,000 facts/s; 48 KiB of bodies leave
# a quarter of the message to the quotes that JSON escapes and to the patrons beside them.
BATCH_FACTS_MAX = 50
BATCH_BYTES_MAX = 48 * 1024
MESSAGE_BYTES_MAX = 64 * 1024

# A microcontroller needs about 5.3 times a message's size to parse it: 64 KiB of JSON was a
# MemoryError with 360 KB of heap. So everything a gate subscribes to stays below this.
GATE_MESSAGE_BYTES_MAX = 4096

# An alarm's or a chunk's text inside a gate message, and any free text elsewhere.
TEXT_CHARS_MAX = 1024
TITLE_CHARS_MAX = 200
NAME_CHARS_MAX = 32
LIST_ITEMS_MAX = 4096

# 2 KiB become 2.7 KiB of base64 and so fit a gate message with its envelope.
CHUNK_BYTES_MAX = 2048

# A new program is tried by some gates first; 32 names of 32 characters fit a gate message. A
# week is as long as anybody watches how it goes.
OFFER_STATIONS_MAX = 32
OFFER_WITHIN_MS_MAX = 7 * 86_400_000

# Sixty-four [seq, hash] pairs fit a gate message; with doubled steps they span any journal.
FORK_HASHES_MAX = 64
