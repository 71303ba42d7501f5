"""What to paste: for each driver one section with all of its options and their defaults.

Ports and pins have no default, so what stands there is an example. The programs' templates and
docs/configuration.md are made of these; a test reads each by its driver and misses none.
"""

from __future__ import annotations

DRIVERS = {
    "pad_3m": """\
driver = "pad_3m"             # 3M 210 or 810: library tags (ISO 15693)
port = "/dev/serial/by-id/usb-3M_210"   # by-id: its number changes with the plug
baudrate = 19200
security_by = "afi"           # what gates listen to: afi, eas (NXP's tags alone) or both
afi_in_stock = 0x07           # what a tag says that may not leave
afi_on_loan = 0xC2
only_afi = 0x07               # leave it out; a gate that shall hear no other tags has it
timeout_ms = 1000
tries = 3                     # a weak field is normal
""",
    "pad_feig": """\
driver = "pad_feig"           # Feig OBID, 8E1: library tags (ISO 15693)
port = "/dev/serial/by-id/usb-FEIG"
baudrate = 38400
security_by = "afi"
afi_in_stock = 0x07
afi_on_loan = 0xC2
address = 255                 # its own on a bus; 255 for the only one
rf_reset = true               # false if its setting ONT is 0: one frame less a round
timeout_ms = 1000
tries = 3
""",
    "rc522": """\
driver = "rc522"              # RC522 on SPI: NTAG and MIFARE cards and stickers, no library tags
spi_bus = 0
spi_device = 0                # chip select
speed_hz = 1000000
reset_gpio = 25               # leave it out where RST is tied to 3.3 V
irq_gpio = 24                 # leave it out where IRQ is not wired
gain = 4                      # 0 to 7: 18 to 48 dB; more hears farther, and more noise
mifare_key = "ffffffffffff"   # key A of MIFARE Classic sectors
afi_in_stock = 0x07           # the security byte, as these tags have no AFI
afi_on_loan = 0xC2
""",
    "mfrc522": """\
driver = "mfrc522"            # the same board by the package mfrc522; its RST on GPIO 25
spi_bus = 0
spi_device = 0
afi_in_stock = 0x07
afi_on_loan = 0xC2
""",
    "serial": """\
driver = "serial"             # a scanner in USB serial mode (CDC)
port = "/dev/serial/by-id/usb-scanner"
baudrate = 9600
ends = "line"                 # "silence": it ends a code with nothing
encoding = "utf-8"            # or latin-1, gb18030
""",
    "keyboard": """\
driver = "keyboard"           # a scanner that types; held alone, so nothing reaches the screen
device = "/dev/input/by-id/usb-scanner-event-kbd"
layout = "us"                 # that the scanner is set to: us, de or fr
ends = "line"
""",
    "escpos": """\
driver = "escpos"
port = "/dev/usb/lp0"         # or socket://printer:9100, usb:04b8:0e15, /dev/serial/by-id/…
baudrate = 19200              # of a serial one
width_dots = 576              # 80 mm paper; 58 mm: 384, older 80 mm: 512
cut = "full"                  # or partial, none
code_page = ""                # CP858: its letters go as text; in Chinese mode leave it empty
font = ""                     # a file, for what is drawn; Debian's are found
profile = "default"           # python-escpos's name of the printer
""",
    "gpio": """\
driver = "gpio"
gpio = 17                     # BCM number, 2 to 27
active_high = true            # false: it is on while the wire is low
max_on_ms = 600000            # it goes off by itself after so long, whatever the program does
""",
    "buzzer": """\
driver = "buzzer"             # a piezo without a circuit of its own; one with its own is "gpio"
gpio = 18
frequency_hz = 2300
max_on_ms = 2000
""",
    "gpio input": """\
driver = "gpio"
gpio = 5
pull = "up"                   # the Pi's own resistor: up, down or none
active_low = true             # pressed or broken is a wire to ground
""",
}
"""Driver: its options, without the section's head."""


def sample(section: str, driver: str, **changed: str) -> str:
    """Return one pasteable section, commented out; `changed` are values as they shall stand."""
    lines = [f"[{section}]"]
    for line in DRIVERS[driver].splitlines():
        option, _, rest = line.partition(" = ")
        _, _, comment = rest.partition("  #")
        lines.append(_line(option, changed[option], comment) if option in changed else line)
    return "".join(f"# {line}\n" for line in lines)


def _line(option: str, value: str, comment: str) -> str:
    text = f"{option} = {value}"
    return f"{text:<30}# {comment.strip()}" if comment else text
