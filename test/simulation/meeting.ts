/** The links of one transaction: the first is struck as was drawn, and each is hung up after a while, whoever still waits. */

import type { PeerLink } from "../../host/communications/link.js";
import { type Strike, type StruckLink, struckLink } from "../support/faults.js";
import type { Life } from "./life.js";
import type { SimulationTime } from "./time.js";

/** Longer than anybody asks again, than any message is late. */
const PATIENCE_MS = 60_000;

/** What a host of one of the ends says beside what its elements say, when the message of this number is sent. */
export interface Injection {
  readonly direction: 0 | 1;
  readonly index: number;
  readonly messages: readonly Uint8Array[];
  /** What it does besides. */
  readonly also?: () => void;
}

export class Meeting {
  readonly #time: SimulationTime;
  readonly #strike: Strike | undefined;
  readonly #injection: Injection | undefined;
  readonly #links: StruckLink[] = [];
  readonly #giveUps: (() => void)[] = [];
  /** What was carried, of either direction: for whoever wants to say it again one day. */
  readonly carried: Uint8Array[] = [];
  hasInjected = false;

  constructor(time: SimulationTime, strike?: Strike, injection?: Injection) {
    this.#time = time;
    this.#strike = strike;
    this.#injection = injection;
  }

  get hasStruck(): boolean {
    return this.#links.some(({ hasStruck }) => hasStruck);
  }

  /** Messages of the link that said most, by direction. */
  get sent(): readonly number[] {
    return [0, 1].map((direction) => Math.max(0, ...this.#links.map(({ sent }) => sent[direction as 0 | 1])));
  }

  /** Both ends, without a life. */
  raw(): [PeerLink, PeerLink] {
    const link = struckLink(this.#time, this.#links.length === 0 ? this.#strike : undefined);
    this.#links.push(link);
    this.#giveUps.push(this.#time.after(PATIENCE_MS, () => hangUp(link)));
    const [near, far] = link.ends;
    return [this.#talkative(near, 0), this.#talkative(far, 1)];
  }

  link(near: Life, far: Life): [PeerLink, PeerLink] {
    const [one, other] = this.raw();
    return [near.link(one), far.link(other)];
  }

  #talkative(end: PeerLink, direction: 0 | 1): PeerLink {
    let index = 0;
    return {
      send: (message) => {
        this.carried.push(message.slice());
        end.send(message);
        const own = this.#injection;
        if (own !== undefined && !this.hasInjected && own.direction === direction && own.index === index) {
          this.hasInjected = true;
          for (const each of own.messages) end.send(each);
          own.also?.();
        }
        index += 1;
      },
      onMessage: (handler) => end.onMessage(handler),
      onClose: (handler) => end.onClose(handler),
      close: () => end.close(),
    };
  }

  /** Everybody has said what he had to say; whoever makes another link all the same is cut off when he falls silent. */
  end(): void {
    for (const cancel of this.#giveUps.splice(0)) cancel();
    for (const link of this.#links) hangUp(link);
  }
}

function hangUp({ ends }: StruckLink): void {
  ends[0].close();
  ends[1].close();
}
