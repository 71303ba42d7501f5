"""One simulated Raspberry Pi 4, below the vendors' libraries: `SimPi` in `board.py` is the entry.

    pi = SimPi(VirtualClock())
    pi.wire_mfrc522(chip)                      # SPI 0.0, reset on GPIO 25, interrupt where asked
    with pi.installed():                       # `lgpio` and `spidev` are the board's now
        import RPi.GPIO as GPIO                # the real rpi-lgpio, imported afresh
    pi.line(22).drive(False)                   # a hand on a button
    pi.plan(22, 40, True)                      # … that lets go 40 ms later
    pi.advance(100)                            # time passes, callbacks run in order
    pi.line(17).history                        # what a logic analyser saw: (at_ms, level)

`python -m sim.pi PROGRAM` runs any program on it. Its lines are in `line.py`, edges in
`alerts.py`, `lgpio` in `lgpio.py`, `spidev` in `spidev.py`; a receipt printer with paper in
`paper.py`, which plugs into any cable of `sim/serial/`.

| modelled | not modelled | never tried on real hardware |
|---|---|---|
| 58 lines with an owner: free, ours, another program's, the kernel's (chip selects of SPI); \
refusals in lgpio's words | a Pi 5 (chip number, RP1), the numbering of the first two Pis | which \
pull a freed line keeps: here the last one |
| what decides a level: output, wire, outer resistor, own pull, floating; open drain, open \
source, active low; short circuits are noted | voltage, current, rise time, noise: a floating \
line keeps its level | the pulls at power-on, from the data sheet |
| edges with times in ns, debounce and watchdog by lgpio 0.2's rules, both kept with the line; \
callbacks in time's order, inline on a virtual clock, in one thread on a real one | lost edges \
when a queue overflows, the latency of a loaded Pi (0.1 to some ms), notification pipes | what \
lgpio does when a timer and an edge fall on the same nanosecond |
| software PWM: frequency, duty, counted pulses; the level at each moment | its jitter, the queue \
of more than one wave, waves on groups; hardware PWM | the pitch of a buzzer |
| rpi-lgpio itself, unchanged: setup, input, output, lists, BOARD and BCM, events, wait_for_edge \
(which moves a virtual clock), PWM, cleanup; gpiozero 2.0.1 was tried by hand: LED, Button, \
PWMLED, MCP3008 | the original RPi.GPIO: its behaviours are a small \
fake in `tests/hardware/test_gpio.py` | the original on any kernel |
| a power cut, the end of a program, one board in a process | two programs at once on one board \
(`line(…).hold(…)` stands for the other) | – |
| a receipt printer: ESC/POS text, code pages, raster pictures, feed, cut; paper out, nearly out, \
cover, DLE EOT 1 to 4, GS r; keeps what it gets without paper | bold, sizes, alignment, bar \
codes, page mode, Chinese mode, speed, heat | any printer; how long status takes on USB and \
networks |
"""
