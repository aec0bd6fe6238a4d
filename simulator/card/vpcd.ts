/**
 * A card in a virtual reader: the client side of vsmartcard's vpcd, pcscd's driver for readers that are sockets.
 *
 * Each message is two bytes of length and as many bytes. The reader sends a control byte or a command APDU; the card
 * answers ATR and APDUs, and nothing else. The connection is the card's being in the reader.
 */

import { connect, type Socket } from "node:net";
import type { Card } from "./card.js";

const CONTROL_POWER_OFF = 0;
const CONTROL_POWER_ON = 1;
const CONTROL_RESET = 2;
const CONTROL_ATR = 4;
const LENGTH_BYTES = 2;
/** A reader that is not there yet, or was restarted, is tried again after this. */
const RETRY_MS = 100;

export interface VirtualReaderPlace {
  readonly host: string;
  readonly port: number;
}

export type VirtualReaderEvent = "inserted" | "removed" | "powered" | "unpowered" | "reset" | "waiting";

export class CardInVirtualReader {
  onEvent: ((event: VirtualReaderEvent) => void) | undefined;
  readonly #card: Card;
  readonly #place: VirtualReaderPlace;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isInserted = false;
  #received: Uint8Array = new Uint8Array(0);

  constructor(card: Card, place: VirtualReaderPlace) {
    this.#card = card;
    this.#place = place;
  }

  /** Puts the card into its reader, and again whenever the reader was gone, until `remove`. */
  insert(): void {
    this.#isInserted = true;
    this.#connect();
  }

  /** Tears the card out: what it was doing is over. */
  remove(): void {
    this.#isInserted = false;
    clearTimeout(this.#retry);
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#socket !== undefined) return;
    const socket = connect(this.#place);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("connect", () => this.onEvent?.("inserted"));
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("error", () => undefined); // It is closed next.
    socket.on("close", () => this.#closed());
  }

  #closed(): void {
    const wasOn = this.#card.isOn;
    this.#card.powerOff();
    this.#socket = undefined;
    this.#received = new Uint8Array(0);
    this.onEvent?.(this.#isInserted && !wasOn ? "waiting" : "removed");
    if (!this.#isInserted) return;
    this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
  }

  #take(bytes: Uint8Array): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const length = ((this.#received[0] ?? 0) << 8) | (this.#received[1] ?? 0);
      const end = LENGTH_BYTES + length;
      if (this.#received.length < LENGTH_BYTES || this.#received.length < end) return;
      const message = this.#received.subarray(LENGTH_BYTES, end);
      this.#received = this.#received.subarray(end);
      this.#answer(message);
    }
  }

  #answer(message: Uint8Array): void {
    if (message.length !== 1) {
      // Without power a card is mute; the reader waits for an answer all the same, and an empty one is none.
      this.#send(this.#card.isOn ? this.#card.transmit(message) : new Uint8Array(0));
      return;
    }
    switch (message[0]) {
      case CONTROL_POWER_OFF:
        this.#card.powerOff();
        this.onEvent?.("unpowered");
        break;
      case CONTROL_POWER_ON:
        this.#card.powerOn();
        this.onEvent?.("powered");
        break;
      case CONTROL_RESET:
        this.#card.powerOn();
        this.onEvent?.("reset");
        break;
      case CONTROL_ATR:
        this.#send(this.#card.atr);
        break;
    }
  }

  #send(bytes: Uint8Array): void {
    const message = new Uint8Array(LENGTH_BYTES + bytes.length);
    message[0] = bytes.length >> 8;
    message[1] = bytes.length & 0xff;
    message.set(bytes, LENGTH_BYTES);
    this.#socket?.write(message);
  }
}
