/** Where peers are found again: against a model, with crashes at any point, and files that say anything. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../host/codec/bytes.js";
import type { Pending } from "../../host/element-data.js";
import { Contacts } from "../../host/wallet/contacts.js";
import type { Contact } from "../../host/wallet/counterparties.js";

const id = (peer: number) => fromHex(peer.toString(16).padStart(32, "0"));
const pending = (peers: Iterable<number>) => [...peers].map((peer) => ({ peer: id(peer) }) as Pending);

class Crash extends Error {}
type When = "before" | "after" | undefined;

/** A file that a crash keeps from being written, or that is written just before one. */
class CrashingStorage {
  text: string | undefined;
  crash: When;

  read() {
    return this.text;
  }

  write(text: string) {
    const { crash } = this;
    this.crash = undefined;
    if (crash === "before") throw new Crash();
    this.text = text;
    if (crash === "after") throw new Crash();
  }
}

/** Whom the model deals with; each has two modules of its own. The last one comes to this wallet. */
const WHOM: readonly (Contact | undefined)[] = [
  { kind: "bank" },
  { kind: "merchant", id: "a" },
  { kind: "merchant", id: "b" },
  { kind: "wallet", address: "bob" },
  { kind: "wallet", address: "ws://127.0.0.1:1/" },
  undefined,
];
const PEERS = WHOM.flatMap((_, i) => [2 * i, 2 * i + 1]);
const when = fc.constantFrom<When>("before", "after", undefined);

const business = fc.record({
  whom: fc.nat(WHOM.length - 1),
  /** Which modules of the other side are left open. */
  opens: fc.subarray([0, 1]),
  closes: fc.subarray(PEERS),
  beginning: when,
  killed: fc.boolean(),
  end: when,
});

describe("contacts", () => {
  test("every peer with something open is found where it was dealt with, whatever crashes when", () => {
    fc.assert(
      fc.property(fc.array(business, { maxLength: 12 }), (all) => {
        const storage = new CrashingStorage();
        const model = new Map<number, Contact | undefined>();
        const open = () => pending(model.keys());
        let known = new Contacts(storage);
        const run = ({ whom, opens, closes, beginning, killed, end }: (typeof all)[number]) => {
          const contact = WHOM[whom];
          storage.crash = beginning;
          known.begin(contact, open());
          for (const each of opens) {
            // With a peer that has something open nothing is begun.
            if (!model.has(2 * whom + each)) model.set(2 * whom + each, contact);
          }
          if (killed) throw new Crash();
          for (const peer of closes) model.delete(peer);
          storage.crash = end;
          known.settle(open());
        };
        for (const each of all) {
          try {
            run(each);
          } catch (error) {
            if (!(error instanceof Crash)) throw error;
            known = new Contacts(storage);
          }
          storage.crash = undefined;
          known.settle(open());
          for (const [peer, contact] of model) expect(known.of(id(peer)), `peer ${peer}`).toEqual(contact);
          expect(Object.keys(JSON.parse(storage.text ?? '{"peers":{}}').peers)).toHaveLength(model.size);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a payer that came and left something open is not taken for the merchant that is dealt with next", () => {
    const storage = new CrashingStorage();
    const known = new Contacts(storage);
    known.begin({ kind: "bank" }, []);
    known.settle([]);
    known.begin(undefined, []);
    known.settle(pending([1]));
    expect(known.of(id(1))).toBeUndefined();
    known.begin({ kind: "merchant", id: "m" }, pending([1]));
    known.settle(pending([1, 2]));
    expect(known.of(id(1))).toBeUndefined();
    expect(known.of(id(2))).toEqual({ kind: "merchant", id: "m" });
  });

  test("of a file that says anything, what fits is kept, and nothing else", () => {
    const one = `${"0".repeat(31)}1`;
    const good = { [one]: { kind: "merchant", id: "m" } };
    const texts: [string, Contact | undefined][] = [
      ["", undefined],
      ["{", undefined],
      ["null", undefined],
      ["[]", undefined],
      ['"x"', undefined],
      ['{"peers":7}', undefined],
      ['{"peers":null,"last":null}', undefined],
      [JSON.stringify({ peers: good }), { kind: "merchant", id: "m" }],
      [JSON.stringify({ peers: { ...good, y: [], z: "bank" }, last: 9 }), { kind: "merchant", id: "m" }],
      [JSON.stringify({ peers: { [one]: { kind: "wallet", address: 1 } } }), undefined],
      [JSON.stringify({ peers: {}, last: { kind: "bank" } }), { kind: "bank" }],
      ['{"peers":{"__proto__":{"kind":"bank"}}}', undefined],
    ];
    for (const [text, expected] of texts) {
      const storage = new CrashingStorage();
      storage.text = text;
      const known = new Contacts(storage);
      known.settle(pending([1]));
      expect(known.of(id(1)), text).toEqual(expected);
      known.begin({ kind: "bank" }, pending([1]));
      expect(new Contacts(storage).of(id(1)), text).toEqual(expected);
    }
  });

  test("any text at all is no reason to fail", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const storage = new CrashingStorage();
        storage.text = text;
        new Contacts(storage).begin(undefined, pending([1, 2]));
      }),
    );
  });

  test("what is over is forgotten: they are no more than what is open", () => {
    const storage = new CrashingStorage();
    const known = new Contacts(storage);
    for (let i = 0; i < 200; i += 1) {
      const business = known.begin({ kind: "wallet", address: `ws://127.0.0.1:${i}/` }, pending([i, i + 1]), i);
      known.settle(pending([i, i + 1]));
      if (i % 2 === 0) known.end(business);
    }
    // Of what did not end in good order the last few are remembered.
    expect(known.unended.map(({ since }) => since)).toEqual(Array.from({ length: 16 }, (_, k) => 169 + 2 * k));
    for (const business of known.unended) known.end(business);
    expect((storage.text ?? "").length).toBeLessThan(500);
    known.settle([]);
    expect(JSON.parse(storage.text ?? "").peers).toEqual({});
  });
});
