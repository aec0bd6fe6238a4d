/**
 * A card in a virtual reader: the client side of vsmartcard's vpcd, pcscd's driver for readers that are sockets.
 *
 * Each message is two bytes of length and as many bytes. The reader sends a control byte or a command APDU; the card
 * answers ATR and APDUs, and nothing else. The connection is the card's being in the reader.
 *
 * Messages are answered in their order. Power that goes does so at once: what the card has not begun with is never run.
 */

import { connect, type Socket } from "node:net";
import { type Clock, MachineClock, type Timer } from "../time.js";
import type { ReadableCard } from "./card.js";

const CONTROL_POWER_OFF = 0;
const CONTROL_POWER_ON = 1;
const CONTROL_RESET = 2;
const CONTROL_ATR = 4;
const LENGTH_BYTES = 2;
/** No message is longer; an answer of a card is not either. */
const MESSAGE_BYTES_MAX = 0xffff;
/** A reader that is not there yet, or was restarted, is tried again after this. */
export const RETRY_MS = 100;
/**
 * pcscd looks whether there is a card about twice a second. One that is out for less may come back unseen, and passes for one that was
 * there all the time, with its power and its answer to reset.
 */
export const ABSENT_MS = 800;
/** A reader asks several times a second whether its card is there. One that does not has another card in it, or is none. */
export const UNHEARD_MS = 3_000;

/** Where the first virtual reader of a machine listens, if nobody said otherwise. */
export const VPCD_PORT = 35_963;

export interface VirtualReaderPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * inserted: it is in the reader. removed: it is not any more. powered, unpowered, reset: what the reader did with it.
 * waiting: there is no reader, and it is put in as soon as there is. unheard: something listens, and has not asked for the card.
 */
export type CardReaderEvent = "inserted" | "removed" | "powered" | "unpowered" | "reset" | "waiting" | "unheard";

export class CardInVirtualReader {
  onEvent: ((event: CardReaderEvent) => void) | undefined;
  readonly #card: ReadableCard;
  readonly #place: VirtualReaderPlace;
  readonly #clock: Clock;
  #socket: Socket | undefined;
  #isConnected = false;
  /** That there is no reader was said already. */
  #isWaiting = false;
  #retry: Timer | undefined;
  /** It is not put in again before. */
  #absentUntil_ms = 0;
  #unheard: Timer | undefined;
  #received: Uint8Array = new Uint8Array(0);
  #messages: Uint8Array[] = [];
  /** A slow card is at work: messages wait. */
  #isBusy = false;

  constructor(card: ReadableCard, place: VirtualReaderPlace, clock: Clock = new MachineClock()) {
    this.#card = card;
    this.#place = place;
    this.#clock = clock;
  }

  /** Puts the card into its reader, and again whenever the reader was gone, until `remove`. */
  insert(): void {
    this.#connect();
  }

  /** Tears the card out: what it was doing is over. */
  remove(): void {
    this.#isWaiting = false;
    this.#retry?.cancel();
    this.#retry = undefined;
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#left();
    socket.destroy();
  }

  #connect(): void {
    if (this.#socket !== undefined || this.#retry !== undefined) return;
    // Bounded, should the clock be set back meanwhile.
    const absent_ms = Math.min(this.#absentUntil_ms - this.#clock.nowMs(), ABSENT_MS);
    if (absent_ms > 0) {
      this.#connectAfter(absent_ms);
      return;
    }
    const socket = connect(this.#place);
    this.#socket = socket;
    socket.setNoDelay(true);
    this.#unheard = this.#clock.after(UNHEARD_MS, () => socket.destroy());
    // A socket that was given up says nothing any more.
    const isOurs = () => this.#socket === socket;
    socket.on("connect", () => {
      if (isOurs()) this.#arrived();
    });
    socket.on("data", (bytes) => {
      if (isOurs()) this.#take(bytes);
    });
    socket.on("error", () => undefined); // It is closed next.
    socket.on("close", () => {
      if (isOurs()) this.#lost();
    });
  }

  #arrived(): void {
    this.#isConnected = true;
    this.#isWaiting = false;
    this.#unheard?.cancel();
    this.#unheard = this.#clock.after(UNHEARD_MS, () => this.onEvent?.("unheard"));
    this.onEvent?.("inserted");
  }

  /** The reader went, or was never there. */
  #lost(): void {
    this.#connectAfter(RETRY_MS);
    if (this.#left() || this.#isWaiting) return;
    this.#isWaiting = true;
    this.onEvent?.("waiting");
  }

  #connectAfter(delay_ms: number): void {
    this.#retry = this.#clock.after(delay_ms, () => {
      this.#retry = undefined;
      this.#connect();
    });
  }

  /** The card is out, and without power. False: it had never come in. */
  #left(): boolean {
    const wasIn = this.#isConnected;
    this.#socket = undefined;
    this.#isConnected = false;
    this.#unheard?.cancel();
    this.#received = new Uint8Array(0);
    this.#messages = [];
    this.#isBusy = false;
    this.#card.powerOff();
    if (!wasIn) return false;
    this.#absentUntil_ms = this.#clock.nowMs() + ABSENT_MS;
    this.onEvent?.("removed");
    return true;
  }

  #take(bytes: Uint8Array): void {
    this.#unheard?.cancel();
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const length = ((this.#received[0] ?? 0) << 8) | (this.#received[1] ?? 0);
      const end = LENGTH_BYTES + length;
      if (this.#received.length < LENGTH_BYTES || this.#received.length < end) break;
      const message = this.#received.subarray(LENGTH_BYTES, end);
      this.#received = this.#received.subarray(end);
      if (this.#isBusy && takesPower(message)) this.#card.powerOff();
      this.#messages.push(message);
    }
    this.#answerAll();
  }

  #answerAll(): void {
    while (!this.#isBusy) {
      const message = this.#messages.shift();
      if (message === undefined) return;
      if (message.length === 1) this.#obey(message[0]);
      else this.#carry(message);
    }
  }

  /** What a card does not know it does not answer. */
  #obey(control: number | undefined): void {
    switch (control) {
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

  #carry(apdu: Uint8Array): void {
    // Without power a card is mute; the reader waits for an answer all the same, and an empty one is none.
    const answer = this.#card.isOn ? this.#card.transmit(apdu) : new Uint8Array(0);
    if (answer instanceof Uint8Array) {
      this.#send(answer);
      return;
    }
    const socket = this.#socket;
    const carryOn = (bytes: Uint8Array) => {
      if (this.#socket !== socket) return; // Nobody waits for it any more.
      this.#isBusy = false;
      this.#send(bytes);
      this.#answerAll();
    };
    this.#isBusy = true;
    answer.then(carryOn, () => carryOn(new Uint8Array(0)));
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length > MESSAGE_BYTES_MAX) throw new RangeError(`answer: ${bytes.length} bytes`);
    const message = new Uint8Array(LENGTH_BYTES + bytes.length);
    message[0] = bytes.length >> 8;
    message[1] = bytes.length & 0xff;
    message.set(bytes, LENGTH_BYTES);
    this.#socket?.write(message);
  }
}

function takesPower(message: Uint8Array): boolean {
  const [control] = message;
  if (message.length !== 1) return false;
  return control === CONTROL_POWER_OFF || control === CONTROL_POWER_ON || control === CONTROL_RESET;
}
