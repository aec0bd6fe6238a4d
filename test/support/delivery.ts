/** What links do to sealed messages, and the model of what a receiver makes of it. */

import fc from "fast-check";
import { SESSION_ERRORS_MAX } from "../../firmware/protocol/limits.js";
import { REASON_BAD_SEAL, REASON_REPEAT, REASON_UNEXPECTED } from "../../firmware/protocol/reasons.js";

export type Delivery =
  | { readonly kind: "next"; readonly plain: Uint8Array }
  | { readonly kind: "repeat" | "old" | "ahead"; readonly pick: number }
  | { readonly kind: "altered" | "truncated" | "extended"; readonly plain: Uint8Array; readonly pick: number };

const plain = fc.uint8Array({ minLength: 1, maxLength: 80 });

const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("next" as const), plain }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("repeat", "old", "ahead"), pick: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("altered", "truncated", "extended"), plain, pick: fc.nat() }),
  },
);

export const deliveries = fc.array(delivery, { minLength: 1, maxLength: 40 });

/** Messages by their number; a receiver opens exactly the next one. */
export class DeliveryModel {
  readonly #sent: { readonly sealed: Uint8Array; readonly plain: Uint8Array }[] = [];
  #accepted = 0;
  errors = 0;
  open = true;

  /** `first`: what was accepted before the first transport message, if anything. */
  constructor(first?: Uint8Array) {
    this.#last = first;
  }
  #last: Uint8Array | undefined;

  /** The next message that was not accepted yet, sealed now if it was not before. */
  next(plain: Uint8Array, seal: (plain: Uint8Array) => Uint8Array): Uint8Array {
    return this.#at(this.#accepted, plain, seal);
  }

  /** The one after it. */
  ahead(seal: (plain: Uint8Array) => Uint8Array): Uint8Array {
    this.#at(this.#accepted, Uint8Array.of(1), seal);
    return this.#at(this.#accepted + 1, Uint8Array.of(2), seal);
  }

  get last(): Uint8Array | undefined {
    return this.#last;
  }

  /** An accepted message before the last one. */
  old(pick: number): Uint8Array | undefined {
    return this.#accepted < 2 ? undefined : this.#sent[pick % (this.#accepted - 1)]?.sealed;
  }

  expect(sealed: Uint8Array): { status: number; plain: Uint8Array } {
    const none = new Uint8Array(0);
    if (!this.open) return { status: -REASON_UNEXPECTED, plain: none };
    if (this.#last !== undefined && Buffer.compare(sealed, this.#last) === 0) {
      return { status: -REASON_REPEAT, plain: none };
    }
    const next = this.#sent[this.#accepted];
    if (next !== undefined && Buffer.compare(sealed, next.sealed) === 0) {
      this.#accepted += 1;
      this.#last = sealed;
      return { status: next.plain.length, plain: next.plain };
    }
    this.errors += 1;
    if (this.errors >= SESSION_ERRORS_MAX) this.open = false;
    return { status: -REASON_BAD_SEAL, plain: none };
  }

  #at(index: number, plain: Uint8Array, seal: (plain: Uint8Array) => Uint8Array): Uint8Array {
    if (this.#sent[index] === undefined) this.#sent[index] = { sealed: seal(plain), plain };
    return this.#sent[index].sealed;
  }
}

/** What arrives. Damage falls on the next message, anywhere. */
export function deliver(step: Delivery, model: DeliveryModel, seal: (plain: Uint8Array) => Uint8Array): Uint8Array {
  switch (step.kind) {
    case "next":
      return model.next(step.plain, seal);
    case "repeat":
      return model.last ?? Uint8Array.of(0);
    case "old":
      return model.old(step.pick) ?? Uint8Array.of(0);
    case "ahead":
      return model.ahead(seal);
    case "altered": {
      const sealed = model.next(step.plain, seal).slice();
      const position = step.pick % sealed.length;
      sealed[position] = (sealed[position] ?? 0) ^ (1 << (step.pick % 8));
      return sealed;
    }
    case "truncated": {
      const sealed = model.next(step.plain, seal);
      return sealed.slice(0, step.pick % sealed.length);
    }
    case "extended":
      return Uint8Array.of(...model.next(step.plain, seal), step.pick & 0xff);
  }
}
