"""Simulated serial devices, from the bytes up: pads, gate antennas and scanners.

A device is bytes in, bytes out, on a clock it was given (`device.py`). Three cables carry them to
a driver that cannot tell them from life: `sim://NAME` in the same process (`url.py`), a real
pseudo terminal with a name under by-id (`pty.py`), a loopback port for `socket://` (`tcp.py`).
`python -m sim.serial pad_3m --pty FOLDER` is a device for drivers in any language.

| device | faults |
|---|---|
| every serial device | `off` the port is there and silent · `garbage` a flipped bit, or all of \
them · `slow` · `delayed` the answer to the request before · `intermittent` a share of requests \
is not heard, or carried out and not or half answered |
| pads `pad_3m`, `pad_feig` | `stuck` the last inventory for ever, nothing about a tag · `wrong` \
uids with their last bit turned, AFI and EAS the opposite |
| `scanner` | `stuck` reads nothing · `garbage` bytes no label has · `wrong` one sign is another \
· `delayed` each label comes with the next |

Besides: `unplug`, `plug_in` (a port that was open stays dead), `split_answers`, `cut_answer`,
`make_noise`, `pull` (a tag leaves in the middle of a write), `weaken` (a weak field),
`SimTag.ignore_writes` (confirmed and not done), `host_settings` (a wrong baud rate or parity).

| modelled | not modelled | never tried on real hardware |
|---|---|---|
| the line: baud rate, parity and stop bits sampled bit by bit, pace, latency, pieces, noise, \
half frames, modem lines that are missing, exclusive opening | break conditions, flow control, \
buffers of USB converters | how long real pads take: 5 ms here |
| 3M 210/810: all 18 commands of specification 1.0.0, tags in slot order, deafness while busy, \
error 6, blocks in the old and the newer style | the set-up command 13 beyond one recording, \
other reader options, tags of TI's own kind | every frame but those recorded from 810 pads: \
probe, set-up, inventory, blocks, AFI. Error numbers other than 0 and 6, lock bits and raw \
commands are our choice |
| Feig OBID: standard and advanced frames, addresses, inventory with `more data`, blocks of any \
size in reverse order, locks, AFI, DSFID, system information, EAS and its alarm, raw command, RF \
off and reset | configuration blocks, buffered read, scan and notification modes, antenna \
multiplexers, outputs | every frame but `get software version`; which status a reader gives when \
a tag leaves in the middle of a write |
| ISO 15693 tags: inventory with AFI and mask, blocks and locks, AFI and its lock, DSFID, EAS, \
quiet and select, blocks of 4 and 8 bytes | passwords and privacy of SLIX2, locks of DSFID and \
EAS, tags that answer in their own time | whether a chip gives error 0F or 10 to 12 |
| scanners: CR, LF, CRLF or no suffix, AIM prefixes, any bytes a label may hold | commands from \
the host, keyboard mode (see `input_events.py`), good-read signals | any scanner |

Add a serial device
1. Write `sim/serial/NAME.py`: a subclass of `SimSerialDevice`, of `SimPad` if it has a field of
   tags. Say its `settings` as in the manual, and the manual, edition and chapter in the docstring.
2. `_next_frame(buffer)` takes one whole frame off the buffer and drops what begins none; a length
   beyond the longest request is no frame.
3. `_answer(frame)` checks the checksum, carries the request out on `self.antenna`, and returns the
   bytes of the answer, None for silence. Faults, time and the line are added by the base class;
   only `wrong` and `stuck` are yours, if the device has something to say when it lies.
4. `_words(frame, to_host=…)` says a frame in words, for the bench and for people.
5. Test it with frames from the manual, literally, and with a checksum of another origin; then run
   the driver's contract on it (`tests/contract/`) and `tests/sim/serial/cable_contract.py`.
6. Name it in `sim/serial/console.py` (`KINDS`), and in the two tables above.
"""

from sim.serial.url import plug, remove

__all__ = ["plug", "remove"]
