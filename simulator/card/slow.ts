/** A card whose chip takes its time: every command waits before it is run. Power that goes meanwhile finds it never run. */

import { type Clock, MachineClock, type Timer } from "../time.js";
import type { ReadableCard } from "./card.js";

interface WaitingCommand {
  readonly timer: Timer;
  readonly isOver: (answer: Uint8Array) => void;
}

/** What a reader hears of a card that lost its power. */
const SILENCE = new Uint8Array(0);

export class SlowCard implements ReadableCard {
  readonly #card: ReadableCard;
  readonly #delay_ms: number;
  readonly #clock: Clock;
  #waiting: WaitingCommand | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** How often power went: what was asked before is not run after. */
  #losses = 0;

  constructor(card: ReadableCard, delay_ms: number, clock: Clock = new MachineClock()) {
    if (!(delay_ms >= 0)) throw new RangeError("delay_ms: zero or more");
    this.#card = card;
    this.#delay_ms = delay_ms;
    this.#clock = clock;
  }

  get atr(): Uint8Array {
    return this.#card.atr;
  }

  get isOn(): boolean {
    return this.#card.isOn;
  }

  powerOn(): void {
    this.#losePower();
    this.#card.powerOn();
  }

  powerOff(): void {
    this.#losePower();
    this.#card.powerOff();
  }

  /** Commands are run one after the other, in their order. One whose power went is answered with nothing. */
  transmit(apdu: Uint8Array): Promise<Uint8Array> {
    const losses = this.#losses;
    const answer = this.#last.then(() => (losses === this.#losses ? this.#later(apdu) : SILENCE));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  #later(apdu: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(this.#delay_ms, () => {
        this.#waiting = undefined;
        try {
          resolve(this.#card.transmit(apdu));
        } catch (error) {
          reject(error);
        }
      });
      this.#waiting = { timer, isOver: resolve };
    });
  }

  #losePower(): void {
    this.#losses += 1;
    this.#waiting?.timer.cancel();
    this.#waiting?.isOver(SILENCE);
    this.#waiting = undefined;
  }
}
