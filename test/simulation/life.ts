/**
 * The life of one host. When it ends, as when a process is killed, nothing of the host is cleaned up: its elements, timers, links
 * and callers simply never hear of it again. What comes afterwards is another life, made from what is durable.
 *
 * A life ends at one of its steps: a command to an element (before it arrives, or before its answer does), a message to a peer; or
 * just before it would have heard what an element has to tell it.
 * Work in a database that is under way then comes to its end first, as if the host had died a moment later.
 */

import { ADDRESS_HOST, KIND_HOST } from "../../firmware/protocol/messages.js";
import type { PeerLink } from "../../host/communications/link.js";
import { LinkClosedError } from "../../host/device.js";
import type { Timers } from "../../host/services/clock.js";
import type { Transport } from "../../host/transport.js";

/** Whoever waits for something that is never going to come. */
export const NEVER = new Promise<never>(() => undefined);

export class HostDiedError extends Error {
  constructor(name: string) {
    super(`the host of ${name} died`);
    this.name = "HostDiedError";
  }
}

export class Life {
  readonly name: string;
  /** How many it has taken. */
  steps = 0;
  /** How often one of its elements told it something. */
  notices = 0;
  #isOver = false;
  #stepsLeft: number | undefined;
  #noticesLeft: number | undefined;
  readonly #mourners = new Set<() => void>();

  constructor(name: string) {
    this.name = name;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Lets it end at the step of this number from now on; undefined: not any more. */
  endAt(step: number | undefined): void {
    this.#stepsLeft = step;
  }

  /** Lets it end when it would hear the notice of this number from now on, and before it does; undefined: not any more. */
  endAtNotice(notice: number | undefined): void {
    this.#noticesLeft = notice;
  }

  /** An answer of an element; whether the host still hears it. */
  #hears(answer: Uint8Array | Promise<Uint8Array>): boolean {
    if (answer instanceof Uint8Array && answer[0] === ADDRESS_HOST && answer[1] === KIND_HOST) {
      this.notices += 1;
      if (this.#noticesLeft !== undefined) {
        this.#noticesLeft -= 1;
        if (this.#noticesLeft <= 0) this.end();
      }
    }
    return this.step();
  }

  /** One step; whether it may still be taken. */
  step(): boolean {
    this.steps += 1;
    if (this.#stepsLeft !== undefined) {
      this.#stepsLeft -= 1;
      if (this.#stepsLeft <= 0) this.end();
    }
    return !this.#isOver;
  }

  end(): void {
    this.#isOver = true;
    this.#stepsLeft = undefined;
    this.#noticesLeft = undefined;
    const mourners = [...this.#mourners];
    this.#mourners.clear();
    for (const mourn of mourners) mourn();
  }

  /** Called when it ends, unless the answer is called before. */
  onEnd(mourn: () => void): () => void {
    if (this.#isOver) mourn();
    else this.#mourners.add(mourn);
    return () => void this.#mourners.delete(mourn);
  }

  /** Work of this host, for somebody outside: it rejects when the host dies. */
  async guard<Result>(work: Promise<Result>): Promise<Result> {
    let forget = () => {};
    const death = new Promise<never>((_, reject) => {
      forget = this.onEnd(() => reject(new HostDiedError(this.name)));
    });
    try {
      return await Promise.race([work, death]);
    } finally {
      forget();
    }
  }

  timers(timers: Timers): Timers {
    return {
      after: (delay_ms, call) => {
        const cancel = timers.after(delay_ms, () => {
          forget();
          call();
        });
        const forget = this.onEnd(cancel);
        return () => {
          forget();
          cancel();
        };
      },
    };
  }

  transport(to: Transport): Transport {
    return {
      name: to.name,
      extendedLength: to.extendedLength,
      transmit: (apdu) => {
        if (!this.step()) return NEVER;
        const answer = to.transmit(apdu);
        return this.#hears(answer) ? answer : NEVER;
      },
      reset: () => (this.#isOver ? NEVER : to.reset()),
      close: () => undefined,
    };
  }

  /** This host's end of a link: the other end sees it close when the host dies. */
  link(link: PeerLink): PeerLink {
    const forget = this.onEnd(() => link.close());
    return {
      send: (message) => {
        if (this.step()) link.send(message);
      },
      onMessage: (handler) => link.onMessage((message) => (this.#isOver ? undefined : handler(message))),
      onClose: (handler) =>
        link.onClose(() => {
          forget();
          if (!this.#isOver) handler();
        }),
      close: () => {
        forget();
        if (!this.#isOver) link.close();
      },
    };
  }
}

/** What a peer makes of it that the host it called died: its connection broke. */
export async function callTo<Result>(life: Life, work: Promise<Result>): Promise<Result> {
  try {
    return await life.guard(work);
  } catch (error) {
    throw error instanceof HostDiedError ? new LinkClosedError() : error;
  }
}
