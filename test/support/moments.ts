/**
 * Moments of a transaction: every element as it was right before an envelope came to it, and that envelope. An attack can be
 * tried at each of them, as often as one likes, because an element is a value that can be put back.
 */

import * as p from "../../firmware/protocol/apdu.js";
import * as m from "../../firmware/protocol/messages.js";
import type { SimulatedChip } from "../../host/chips.js";
import { toHex } from "../../host/codec/bytes.js";

export interface Moment {
  /** Which element: "A's agent". */
  readonly name: string;
  readonly chip: SimulatedChip;
  readonly image: Uint8Array;
  /** What came: source address, kind, body. */
  readonly envelope: Uint8Array;
}

/** What an element made of an envelope. */
export interface Answer {
  readonly status: number;
  readonly envelopes: readonly Uint8Array[];
  /** Operations on what it keeps without power. */
  readonly writes: number;
}

export class Moments {
  readonly all: Moment[] = [];
  readonly #undo: (() => void)[] = [];

  /** From now on every envelope that this element is given is a moment, but for its host's own words. */
  watch(name: string, chip: SimulatedChip): void {
    const { element, simulated } = chip;
    const deliver = element.deliver.bind(element);
    element.deliver = (envelope) => {
      const isHosts = envelope[0] === m.ADDRESS_HOST;
      if (!isHosts) this.all.push({ name, chip, image: simulated.snapshot(), envelope: envelope.slice() });
      return deliver(envelope);
    };
    this.#undo.push(() => {
      element.deliver = deliver;
    });
  }

  end(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }
}

/** Puts the element back to that moment. */
export function returnTo({ chip, image }: Moment): void {
  chip.simulated.chip.onOperation = undefined;
  chip.simulated.restore(image);
}

/** Gives an element an envelope, at once and without any host that means well. */
export function give(chip: SimulatedChip, envelope: Uint8Array): Answer {
  const { simulated } = chip;
  let writes = 0;
  simulated.chip.onOperation = () => {
    writes += 1;
    return undefined;
  };
  const [high, low] = [envelope.length >> 8, envelope.length & 0xff];
  const sent = simulated.transmit(Uint8Array.of(p.CLA_OWN, p.INS_ENVELOPE, 0, 0, 0, high, low, ...envelope));
  const status = statusOf(sent);
  const envelopes: Uint8Array[] = [];
  for (let more = status; (more & 0xff00) === p.SW_FETCH; ) {
    const fetched = simulated.transmit(Uint8Array.of(p.CLA_OWN, p.INS_FETCH, 0, 0, 0, 0, 0));
    envelopes.push(fetched.subarray(0, -2));
    more = statusOf(fetched);
  }
  simulated.chip.onOperation = undefined;
  return { status, envelopes, writes };
}

/** What the element said last, as it says it when it is asked again. */
export function lastSaid({ simulated }: SimulatedChip): string[] {
  const envelopes: string[] = [];
  for (let again = 1; ; again = 0) {
    const fetched = simulated.transmit(Uint8Array.of(p.CLA_OWN, p.INS_FETCH, again, 0, 0, 0, 0));
    if (fetched.length > 2) envelopes.push(toHex(fetched.subarray(0, -2)));
    if ((statusOf(fetched) & 0xff00) !== p.SW_FETCH) return envelopes;
  }
}

function statusOf(response: Uint8Array): number {
  const [high = 0, low = 0] = response.subarray(-2);
  return (high << 8) | low;
}

/** Everything in an answer, to compare it with another. */
export function said(answer: Answer): string {
  return [answer.status.toString(16), answer.writes, ...answer.envelopes.map(toHex)].join(" ");
}
