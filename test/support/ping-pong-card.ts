/**
 * A card that speaks the envelope protocol and nothing else: two of them count up to a limit in turns. It keeps the
 * rules that the firmware keeps (repeats are answered again, strangers refused), so that the message manager can be
 * tested without firmware.
 */

import * as p from "../../firmware/protocol/apdu.js";
import { QUERIES_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import { REASON_TIMEOUT } from "../../firmware/protocol/reasons.js";
import { decodeCommand, encodeResponse } from "../../host/apdu.js";
import { encode } from "../../host/codec/cbor.js";
import { writeTlv } from "../../host/tlv.js";
import type { Transport } from "../../host/transport.js";
import { TransportError } from "../../host/transport.js";

const TURNS = 8;

export class PingPongCard implements Transport {
  readonly name = "ping-pong card";
  readonly extendedLength = true;
  /** Answers the card gave that are to be lost; counted down at each. */
  loseAnswers: (apduNumber: number) => boolean = () => false;
  refused = 0;
  accepted: number[] = [];
  #apdus = 0;
  #outbox: Uint8Array[] = [];
  #next = 0;
  #last: string | undefined;
  #expected = 0;
  #queries = 0;

  transmit(apdu: Uint8Array): Uint8Array {
    const command = decodeCommand(apdu);
    const answer = this.#command(command.ins, command.p1, command.data ?? new Uint8Array(0));
    this.#apdus += 1;
    if (this.loseAnswers(this.#apdus)) throw new TransportError("The answer was lost.");
    return answer;
  }

  #command(ins: number, p1: number, data: Uint8Array): Uint8Array {
    if (ins === p.INS_SELECT) return encodeResponse({ data: fci(), status: p.SW_OK });
    if (ins === p.INS_FETCH) return this.#fetch(p1 === 1);
    const status = this.#envelope(data);
    return encodeResponse({ data: new Uint8Array(0), status });
  }

  #fetch(again: boolean): Uint8Array {
    if (again) this.#next = 0;
    const data = this.#outbox[this.#next];
    if (data === undefined) return encodeResponse({ data: new Uint8Array(0), status: p.SW_REFERENCED_DATA_NOT_FOUND });
    this.#next += 1;
    return encodeResponse({ data, status: this.#waiting() });
  }

  #waiting(): number {
    return this.#next < this.#outbox.length ? p.SW_FETCH | 5 : p.SW_OK;
  }

  #envelope(data: Uint8Array): number {
    if (data[1] === m.KIND_TIMEOUT) return this.#timeout();
    const bytes = Buffer.from(data).toString("hex");
    if (bytes === this.#last) this.#next = 0;
    else if (!this.#accept(data)) {
      this.refused += 1;
      return p.SW_CONDITIONS;
    } else this.#last = bytes;
    return this.#waiting();
  }

  #timeout(): number {
    this.#queries += 1;
    this.#next = 0;
    if (this.#queries > QUERIES_MAX) this.#answer(notice(m.NOTICE_ABORTED, REASON_TIMEOUT, false, null));
    return this.#waiting();
  }

  #accept(data: Uint8Array): boolean {
    const [from, kind, turn] = data;
    if (from === m.ADDRESS_HOST && kind === m.KIND_HOST) {
      this.#expected = 2;
      this.#answer(toPeer(1));
      return true;
    }
    const expected = this.#expected === 0 ? 1 : this.#expected;
    if (from !== m.ADDRESS_PEER || kind !== m.KIND_SEALED || turn !== expected) return false;
    this.accepted.push(turn);
    this.#queries = 0;
    this.#expected = turn + 2;
    if (turn === TURNS) this.#answer(notice(m.NOTICE_DONE, null));
    else if (turn === TURNS - 1) this.#answer(notice(m.NOTICE_DONE, null), toPeer(TURNS));
    else this.#answer(toPeer(turn + 1));
    return true;
  }

  #answer(...envelopes: Uint8Array[]): void {
    this.#outbox = envelopes;
    this.#next = 0;
  }

  reset(): void {}
  close(): void {}
}

/** A command that starts the counting. */
export const START = Uint8Array.of(m.ADDRESS_HOST, m.KIND_HOST, 0x81, m.COMMAND_PAY);

function toPeer(turn: number): Uint8Array {
  return Uint8Array.of(m.ADDRESS_PEER, m.KIND_SEALED, turn);
}

function notice(...message: (number | boolean | null)[]): Uint8Array {
  return Uint8Array.of(m.ADDRESS_HOST, m.KIND_HOST, ...encode(message));
}

function fci(): Uint8Array {
  const information = Buffer.concat([
    writeTlv(0x80, Uint8Array.of(1)),
    writeTlv(0x81, Uint8Array.of(0, 1)),
    writeTlv(0x82, Uint8Array.of(1, 1)),
    writeTlv(0x83, Uint8Array.of(p.LIFE_OPERATIONAL)),
    writeTlv(0x84, Uint8Array.of(17)),
    writeTlv(0x85, new Uint8Array(16).fill(7)),
    writeTlv(0x87, Uint8Array.of(0x1d, 0xb9)),
  ]);
  return writeTlv(0x6f, writeTlv(0xa5, writeTlv(p.TAG_INFORMATION, information)));
}
