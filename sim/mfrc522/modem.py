"""The radio half of the chip: sending, receiving, authenticating, bit by bit in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.mfrc522 import registers as reg
from sim.mfrc522.classic import AUTH_A, AUTH_B
from sim.mfrc522.field import BIT_NS, RadioField, Superposition
from sim.mfrc522.frames import Frame, partial, with_crc, without_parity
from sim.mfrc522.reception import Reception, Settings, decode

if TYPE_CHECKING:
    from sim.mfrc522.transceiver import Transceiver

# ModemState in Status2Reg (table 36).
AT_REST, WAITS_FOR_START, WAITS_FOR_FIELD, SENDING, WAITS_FOR_REPLY, RECEIVING = 0, 1, 2, 3, 5, 6

RECEIVE_ERRORS = reg.COLL_ERR | reg.CRC_ERR | reg.PARITY_ERR | reg.PROTOCOL_ERR
FIFTH_BIT = 5
"""TAuto stops the timer after the start bit and four data bits (table 103)."""

START_AND_END_BITS = 2
SECOND_PASS_NS = 9 * 8 * BIT_NS
"""Eight bytes from the reader: its nonce and its answer to the tag's."""

AUTHENTICATION_BYTES = 12
NONCE_BITS = 36


class Modem:
    """Sends what is in the FIFO and puts into it what the antenna hears."""

    def __init__(self, chip: Transceiver, field: RadioField, *, counts_uid: bool) -> None:
        self._chip = chip
        self._field = field
        self._counts_uid = counts_uid
        self.state = AT_REST
        self._sent = bytearray()
        self._heard: Superposition | None = None
        self._left: list[int] = []
        self._reception = Reception(b"", 0)
        self._secret = b""

    @property
    def is_between_send_and_receive(self) -> bool:
        """Whether the host must keep its hands off the FIFO (WrErr, table 32)."""
        return self.state in (WAITS_FOR_REPLY, RECEIVING)

    def reset(self) -> None:
        """Stop and forget."""
        self.state = AT_REST
        self._sent.clear()

    def abort(self) -> None:
        """Stop because the host wrote another command; what is on the air goes on there.

        An authentication that did not end leaves no session (table 36, MFCrypto1On).
        """
        if self._chip.command == reg.MF_AUTHENT:
            self._end_session()
        self._chip.cancel("send", "byte", "fifth", "end", "pass")
        self.state = AT_REST

    # Commands

    def wait_for_start(self) -> None:
        """Transceive: nothing happens before StartSend."""
        self.state = WAITS_FOR_START

    def transmit(self) -> None:
        """Transmit: send at once, and be idle again."""
        self._begin()

    def start_send(self) -> None:
        """StartSend: send, then listen."""
        if self.state in (WAITS_FOR_START, WAITS_FOR_REPLY):
            self._begin()

    def listen(self) -> None:
        """Receive: hear what comes."""
        self._chip.clear_errors(RECEIVE_ERRORS)
        self.state = WAITS_FOR_REPLY

    def authenticate(self) -> None:
        """MFAuthent: command, block, key and four bytes of the uid are in the FIFO."""
        self._secret = self._chip.fifo.drain()
        self._chip.fifo_drained()
        if len(self._secret) != AUTHENTICATION_BYTES or self._secret[0] not in (AUTH_A, AUTH_B):
            self._fail_authentication()
            return
        self._sent = bytearray(self._secret[:2])
        self.state = SENDING
        frame = partial(with_crc(self._sent), 0, encrypted=self._is_encrypting)
        self._chip.schedule("send", self._after(frame.length), lambda _: self._sent_all(frame))

    # Sending

    def field_came(self) -> None:
        """The carrier is on: what TxWaitRF held back is sent now."""
        if self.state == WAITS_FOR_FIELD:
            self._begin()

    def _begin(self) -> None:
        """Start with the first byte; TxWaitRF holds it back while there is no field."""
        self._sent.clear()
        self._chip.cancel("fifth", "end")
        if self._chip.stored(reg.MODE) & 0x20 and not self._field.is_on:
            self.state = WAITS_FOR_FIELD
            return
        self.state = SENDING
        self._send_byte(self._chip.now_ns)

    def _send_byte(self, now_ns: int) -> None:
        chip = self._chip
        if not len(chip.fifo):
            self._sent_all(self._frame())
            return
        self._sent.append(chip.fifo.pop())
        chip.fifo_drained()
        last_bits = chip.stored(reg.BIT_FRAMING) & 0x07
        bits = last_bits if last_bits and not len(chip.fifo) else 9
        chip.schedule("byte", now_ns + bits * BIT_NS, self._send_byte)

    def _frame(self) -> Frame:
        chip = self._chip
        last_bits = chip.stored(reg.BIT_FRAMING) & 0x07
        if chip.stored(reg.MF_RX) & 0x10:
            return without_parity(self._sent, last_bits)
        has_crc = bool(chip.stored(reg.TX_MODE) & 0x80)
        data = with_crc(self._sent) if has_crc else bytes(self._sent)
        return partial(data, last_bits, encrypted=self._is_encrypting)

    def _sent_all(self, frame: Frame) -> None:
        chip = self._chip
        secret = chip.command == reg.MF_AUTHENT
        if not secret:
            chip.raise_irq(reg.TX_IRQ)
        if chip.stored(reg.T_MODE) & 0x80:
            chip.timer.start(chip.now_ns)
        starts_ns = self._on_air(frame)
        if starts_ns is not None:
            chip.schedule("reply", starts_ns, self._reply_starts)
        if chip.command == reg.TRANSMIT:
            self.state = AT_REST
            chip.finish()
            return
        self.listen()

    def _on_air(self, frame: Frame) -> int | None:
        """Let the tags hear it: 106 kbit/s and full modulation, or they hear nothing."""
        chip = self._chip
        chip.cancel("reply")
        understood = chip.stored(reg.TX_MODE) & 0x70 == 0 and chip.stored(reg.TX_ASK) & 0x40
        if not understood or frame.length == 0:
            return None
        return self._field.send(frame, chip.now_ns, chip.gain_db)

    # Receiving

    def _reply_starts(self, now_ns: int) -> None:
        chip = self._chip
        heard = self._field.receive(chip.gain_db)
        deaf = chip.stored(reg.COMMAND) & reg.RCV_OFF or chip.stored(reg.RX_MODE) & 0x70
        if heard is None or self.state != WAITS_FOR_REPLY or deaf:
            return
        if heard.frame.length < 4 and chip.stored(reg.RX_MODE) & 0x08:
            return  # RxNoErr
        self.state = RECEIVING
        self._heard = heard
        self._reception = decode(heard, self._settings())
        self._left = list(self._reception.data)
        chip.schedule("fifth", now_ns + FIFTH_BIT * BIT_NS, self._stop_timer)
        if chip.command != reg.MF_AUTHENT:
            chip.schedule("byte", now_ns + 9 * BIT_NS, self._receive_byte)
        duration_ns = (heard.frame.length + START_AND_END_BITS) * BIT_NS
        chip.schedule("end", now_ns + duration_ns, self._reply_ends)

    def _settings(self) -> Settings:
        chip = self._chip
        framing = chip.stored(reg.BIT_FRAMING)
        return Settings(
            align=framing >> 4 & 0x07,
            parity=not chip.stored(reg.MF_RX) & 0x10,
            crc=bool(chip.stored(reg.RX_MODE) & 0x80),
            keep_after_collision=bool(chip.stored(reg.COLL) & 0x80),
            counts_uid=self._counts_uid,
            sent=bytes(self._sent),
        )

    def _stop_timer(self, now_ns: int) -> None:
        chip = self._chip
        if chip.stored(reg.T_MODE) & 0x80 and not chip.stored(reg.RX_MODE) & 0x04:
            chip.timer.stop(now_ns)

    def _receive_byte(self, now_ns: int) -> None:
        if len(self._left) > 1:
            self._chip.receive_byte(self._left.pop(0))
            self._chip.schedule("byte", now_ns + 9 * BIT_NS, self._receive_byte)

    def _reply_ends(self, now_ns: int) -> None:
        chip, reception = self._chip, self._reception
        chip.cancel("byte")
        if chip.command == reg.MF_AUTHENT:
            self._nonce_came(now_ns)
            return
        for byte in self._left:
            chip.receive_byte(byte)
        chip.store(reg.CONTROL, chip.stored(reg.CONTROL) & ~7 | reception.last_bits)
        chip.store(reg.COLL, chip.stored(reg.COLL) & 0x80 | reception.coll)
        errors = (
            (reg.COLL_ERR, reception.collided),
            (reg.PARITY_ERR, reception.parity_error),
            (reg.CRC_ERR, reception.crc_error),
        )
        found = sum(bit for bit, is_set in errors if is_set)
        chip.raise_error(found)
        chip.raise_irq(reg.RX_IRQ)
        if chip.stored(reg.RX_MODE) & 0x04:
            chip.receive_byte(chip.peek(reg.ERROR))
            self.state = WAITS_FOR_REPLY
        elif chip.command == reg.RECEIVE:
            self.state = AT_REST
            chip.finish()
        else:
            self.state = WAITS_FOR_START

    # MIFARE authentication

    @property
    def _is_encrypting(self) -> bool:
        return bool(self._chip.stored(reg.STATUS2) & reg.CRYPTO1_ON)

    def _nonce_came(self, now_ns: int) -> None:
        heard = self._heard
        whole = heard is not None and heard.frame.length == NONCE_BITS and not heard.collisions
        if not whole or self._reception.parity_error:
            self._fail_authentication()
            return
        self._chip.schedule("pass", now_ns + SECOND_PASS_NS, self._second_pass)

    def _second_pass(self, now_ns: int) -> None:
        chip = self._chip
        if chip.stored(reg.T_MODE) & 0x80:
            chip.timer.start(now_ns)
        if self._field.authenticate(self._secret[2:8], self._secret[8:]):
            chip.schedule("pass", now_ns + SECOND_PASS_NS, self._third_pass)

    def _third_pass(self, now_ns: int) -> None:
        chip = self._chip
        self._stop_timer(now_ns)
        chip.store(reg.STATUS2, chip.stored(reg.STATUS2) | reg.CRYPTO1_ON)
        self.state = AT_REST
        chip.finish()

    def _fail_authentication(self) -> None:
        chip = self._chip
        chip.raise_error(reg.PROTOCOL_ERR)
        self._end_session()
        self.state = AT_REST
        chip.finish()

    def _end_session(self) -> None:
        chip = self._chip
        chip.store(reg.STATUS2, chip.stored(reg.STATUS2) & ~reg.CRYPTO1_ON)

    def _after(self, bits: int) -> int:
        return self._chip.now_ns + bits * BIT_NS
