/** Notes as they move between modules made of keys alone: honest ones, and ones that a test has divide what they do not have. */

import { ROLE_TELLER } from "../../firmware/protocol/kinds.js";
import { addTransfer, encodeNote, mintNote, type NoteParts, type NoteSigner, showKey } from "../../host/codec/note.js";
import { sha256 } from "../../host/crypto.js";
import type { ReturnedNote } from "../../host/services/reconciliation.js";
import { idOf, NOW } from "./agencies.js";
import { DRAFT, ModuleAgency } from "./note-makers.js";

export const TELLER = 0;
export const GENERATOR_FILL = 0x10;
const MEMBER_FILL = 0x20;

/** What a module holds of a note: the note up to the record that brought it, opened. */
export interface Holding {
  readonly owner: number;
  readonly parts: NoteParts;
  readonly amount: bigint;
  left: bigint;
}

export class NoteTrees {
  readonly agency = new ModuleAgency();
  readonly generator = this.agency.generator(GENERATOR_FILL);
  readonly #members = new Map<number, NoteSigner>();
  readonly #counters = new Map<number, bigint>();
  #keys = 0;
  #notes = 0;

  /** Member 0 is the bank's teller. */
  member(index: number): NoteSigner {
    const known = this.#members.get(index);
    if (known !== undefined) return known;
    const role = index === TELLER ? { role: ROLE_TELLER } : {};
    const made = this.agency.module({ fill: MEMBER_FILL + index, ...role });
    this.#members.set(index, made);
    return made;
  }

  hex(index: number): string {
    return Buffer.from(this.member(index).id).toString("hex");
  }

  /** A counter that the module has not used: as high as 64 bits go, because modules count in them. */
  counter(index: number): bigint {
    const next = this.#counters.get(index) ?? 2n ** 64n - 1_000n;
    this.#counters.set(index, next + 1n);
    return next;
  }

  key(): Uint8Array {
    this.#keys += 1;
    return sha256(new TextEncoder().encode(`key ${this.#keys}`));
  }

  mint(value: bigint): NoteParts {
    this.#notes += 1;
    return mintNote({ ...DRAFT, id: idOf(this.#notes), value }, this.generator);
  }

  /** A fresh note, made and handed to the teller. */
  issue(value: bigint): Holding {
    return this.fromGenerator(this.mint(value), value);
  }

  fromGenerator(minted: NoteParts, amount: bigint, counter = this.counter(-1)): Holding {
    const key = this.key();
    const date = NOW - 86_400;
    const transfer = { by: this.generator, to: this.member(TELLER).id, counter, amount, date, key };
    return { owner: TELLER, parts: showKey(addTransfer(minted, transfer), key), amount, left: amount };
  }

  /** Passes on a part. What the holding has left is only kept, so that a test may pass on more. */
  pass(from: Holding, to: number, amount: bigint, counter = this.counter(from.owner)): Holding {
    const key = this.key();
    const date = NOW - 3_600;
    const by = this.member(from.owner);
    const parts = addTransfer(from.parts, { by, to: this.member(to).id, counter, amount, date, key });
    from.left -= amount;
    return { owner: to, parts: showKey(parts, key), amount, left: amount };
  }

  /** As the teller's module hands it to the books. */
  redemption(held: Holding, amount = held.left): ReturnedNote {
    const last = held.parts.entries.at(-1);
    if (last?.key == null) throw new Error("only an opened note is redeemed");
    const entries = [...held.parts.entries.slice(0, -1), { ...last, key: null }];
    const note = encodeNote({ ...held.parts, entries });
    const id = `note/${Buffer.from(sha256(note)).toString("hex")}`;
    return { id, note, key: last.key, money: { amount, unit: DRAFT.unit } };
  }

  /** Brought to the teller and redeemed. */
  bring(held: Holding, amount = held.left): ReturnedNote {
    return this.redemption(this.pass(held, TELLER, amount));
  }
}
