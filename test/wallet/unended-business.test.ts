import { describe, expect, test } from "vitest";
import { Contacts } from "../../host/wallet/contacts.js";
import type { Contact } from "../../host/wallet/counterparties.js";

function storage(text?: string) {
  let kept = text;
  return {
    read: () => kept,
    write: (written: string) => {
      kept = written;
    },
  };
}

const bank: Contact = { kind: "bank" };
const merchant: Contact = { kind: "merchant", id: "ab".repeat(16) };

describe("a wallet's contacts", () => {
  test("business that was begun and never ended is known to the next process", () => {
    const kept = storage();
    const contacts = new Contacts(kept);
    expect(contacts.unended).toEqual([]);
    contacts.begin(merchant, [], 7);
    expect(new Contacts(kept).unended).toEqual([{ contact: merchant, since: 7 }]);
    new Contacts(kept).settle([]);
    const again = new Contacts(kept);
    expect(again.unended, "nothing is open here, and the peer may not know it").toHaveLength(1);
    again.end(again.begin(bank, [], 8));
    expect(new Contacts(kept).unended, "business with another one ends only itself").toHaveLength(1);
    for (const business of again.unended) again.end(business);
    expect(new Contacts(kept).unended).toEqual([]);
  });

  test("what is open from before belongs to whoever was dealt with last", () => {
    const kept = storage();
    const contacts = new Contacts(kept);
    const pending = {
      payId: new Uint8Array(32),
      peer: new Uint8Array(16).fill(1),
      state: "in doubt",
      money: { amount: 1n, unit: { currency: 840, exponent: 2 } },
      confirmed: false,
      acknowledged: false,
    } as const;
    contacts.begin(merchant, [], 0);
    contacts.begin(bank, [pending], 1);
    expect(contacts.of(pending.peer)).toEqual(merchant);
    expect(contacts.unended.map(({ since }) => since)).toEqual([0, 1]);
  });

  test("a file of an earlier version is read", () => {
    const contacts = new Contacts(storage(JSON.stringify({ peers: {}, last: bank })));
    expect(contacts.unended).toEqual([]);
  });
});
