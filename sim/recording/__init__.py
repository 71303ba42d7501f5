"""Record what crosses a wire, and replay it: a recording from a real device becomes a test.

A recording is text, one JSON object a line. The first line is the header, the others are events
in the order in which they happened; `t_ms` counts from the start of the recording.

    {"lendgate_recording": 1, "wires": {"spi0.0": "mfrc522"}, "driver": "rc522", "note": "…"}
    {"t_ms": 12, "wire": "spi0.0", "do": "transfer", "out": "ee00", "in": "0092"}
    {"t_ms": 40, "wire": "pad", "do": "write", "out": "d600050411000a8c66"}
    {"t_ms": 61, "wire": "pad", "do": "read", "want": 3, "in": "d60007"}
    {"t_ms": 70, "wire": "gpio", "do": "output", "args": [17, 1], "in": null}
    {"t_ms": 90, "wire": "mqtt", "do": "publish", "topic": "lg/1/…", "text": "{…}", "in": true}
    {"t_ms": 95, "wire": "clock", "do": "now_ms", "in": 95, "times": 3}
    {"t_ms": 99, "wire": "port", "do": "port.inventory", "args": [], "in": {"tags": […], …}}

Laws:
- A recorder never breaks what it records: when its file is full or its disk refuses, it stops
  writing, says so in the log, and every call goes on.
- Only what crosses the wire is written. Keys stay where they are: of a signed message the file
  has the mac, never the key. What does cross may name people (card numbers, titles beside a
  card): a recording is made readable for its owner only, and should be looked at before it is
  given away.
- A replay answers a question that was recorded, in the order it was asked, and fails loudly at
  the first other one, with both in words.

    file.py      the format, read and written
    recorder.py  wrappers that write: bus, serial port, GPIO module, link, clock, reader
    replay.py    the same interfaces, answering from a recording
    words.py     events as sentences
    drivers.py   the drivers a recording can be replayed through without a line of code
    command.py   `lendgate-sim show`, `replay` and `record`
"""
