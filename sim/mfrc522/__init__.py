"""A simulated MFRC522 at register level, with its antenna and ISO 14443-3 type A tags.

The chip is built to NXP's data sheet (rev. 3.9), the tags to ISO 14443-3 and to the data sheets
of NTAG213/215/216 and MIFARE Classic: to no driver. Drivers of four origins run on it unchanged,
through `sim/pi/spidev.py` on a simulated Pi: ours, and `mfrc522` 0.0.7, `mfrc522-python` 0.0.9 and
`pi-rc522` 2.3.0 from PyPI, the last with its IRQ pin.

    chip = SimMfrc522(clock, collpos="uid")           # chip.py: the bus, the pins, the faults
    chip.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))       # field.py: what a hand does
    chip.field.pull("04a1b2c3d4e580", after_written=6)              # torn in its second page
    chip.transfer(bytes((0xEE, 0x00)))                # 00 92: VersionReg
    [describe(transfer) for transfer in chip.history]               # trace.py: the bus in words
    [describe_air(entry) for entry in chip.field.air]               # and the air

Modelled
- all 64 registers: values after reset (also against a dump of a real chip), reserved, read-only
  and write-only bits; SPI address bytes, bursts, what an unplugged bus floats to
- FIFO of 64 bytes, overflow, water level; ComIrq, DivIrq, ErrorReg, Status1, Status2; the IRQ
  pin with IRqInv, ComIEn and DivIEn, open drain with a pull-up
- Idle, Mem, GenerateRandomID, CalcCRC (four presets, MSBFirst), Transmit, Receive, Transceive,
  MFAuthent, SoftReset, NoCmdChange, unknown codes; the self test of versions 0.0, 1.0, 2.0 and of
  the clone FM17522; the timer with prescaler, TPrescalEven, TAuto, TAutoRestart
- NRSTPD, soft power-down, brown-out, start of the oscillator, overheating, TxWaitRF, RcvOff
- the air at 106 kbit/s: time of every bit, frame delay, parity, CRC, RxAlign, TxLastBits,
  RxLastBits, TxCRCEn, RxCRCEn, ParityDisable, RxNoErr, RxMultiple; tags superposed bit by bit;
  both readings of CollPos; ValuesAfterColl
- states IDLE, READY, ACTIVE, HALT and their starred ones, three cascade levels, loss of power;
  NTAG: every command, roll-over, lock bits, OTP, password, counter; MIFARE Classic 1K: sectors,
  keys, access bits, value blocks, a "crypto on" flag on both sides
- a hand that takes a tag away after any bit, any programmed byte, or at any transfer; weak bits,
  disturbed bits, metal, stacks, receiver gain: seeded

Not modelled
- I2C and UART, MFIN and MFOUT, test bus, AnalogTest and AUX pins, TGated, RxWait, TxWait,
  RxThreshold, Demod, conductance registers: stored, and without effect; other speeds than
  106 kbit/s are silence
- Crypto1 itself, tag signatures (32 zero bytes), the ASCII mirror of NTAG, tearing within one byte
- how strong a field is where: coupling, metal and stacks follow plausible numbers, not physics
- that a host may be too quick for a starting oscillator

Never tried on real silicon
- which reading of CollPos is right once whole bytes of a uid are known, and what the bits at and
  after a collision hold with ValuesAfterColl set
- when exactly LoAlertIRq is set again after it was cleared; how long CalcCRC, Mem and the self
  test take; what a StartSend without Transceive does (here: nothing)
"""
